"""What a plugin says to a person who starts it without a host."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

UNKNOWN = "unknown"

FLAGS = (
    "--listen HOST:PORT",
    "--tls-cert FILE",
    "--tls-key FILE",
    "--tls-ca FILE",
    "--no-tls",
    "-standalone",
    "-version",
    "-buildinfo",
)
_HELP = ("h", "help")


def explanation(script: str, python: str, arguments: Sequence[str] = ()) -> str:
    """Why the program ends at once, and what to do instead.

    script: the file that was started. python: the interpreter that runs it, which has Graftage installed.
    arguments: those it was started with, of which none says how to serve.
    """
    known = {flag.split()[0].strip("-") for flag in FLAGS}.union(_HELP)
    words = (word.partition("=")[0] for word in arguments if word.startswith("-"))
    unknown = next((word for word in words if word.strip("-") not in known), "")
    return (
        (f"{unknown} is no flag that `serve` knows.\n" if unknown else "")
        + f"{os.path.basename(script) or 'This program'} is a backend plugin of Grafana: a host starts it "
        "and talks to it over gRPC.\n"
        f"To ask it something without a host: graftage query --plugin {script or 'FILE'}\n"
        "To serve it on the network: start it with --listen HOST:PORT; under a debugger: with -standalone\n"
        f"Its flags: {', '.join(FLAGS)}\n"
        "To use it in Grafana:\n"
        f"  1. Begin the file with a line that names a Python with Graftage, such as #!{python}\n"
        '  2. Name it as Grafana looks for it: the "executable" of plugin.json, then system and processor, '
        "such as <executable>_linux_amd64\n"
        "  3. Make it executable: chmod +x <executable>_linux_amd64\n"
        "  4. Put its folder, with its plugin.json, into Grafana's plugin folder ([paths] plugins).\n"
        "  5. Name its id in [plugins] allow_loading_unsigned_plugins, and restart Grafana.\n"
    )


def switch_answer(arguments: Sequence[str], script: str) -> str | None:
    """What to print for `-version` and `-buildinfo`; None when neither was given.

    Source: Grafana's Go SDK answers these two before it looks for a host.
    """
    match arguments:
        case ["-version" | "--version", *_]:
            return about(script).get("version") or UNKNOWN
        case ["-buildinfo" | "--buildinfo", *_]:
            import json

            return json.dumps({"time": "", "pluginID": "", "version": ""} | about(script))
        case _:
            return None


def wants_to_stand_alone(arguments: Sequence[str]) -> bool:
    """Is the plugin to run by itself, while its host starts a stand-in? Source: Grafana's Go SDK."""
    return any(word in ("-standalone", "--standalone") for word in arguments)


def wants_the_network(arguments: Sequence[str], environment: Mapping[str, str], *, launched: bool) -> bool:
    """Is the plugin to listen on the network? launched: by a host, which variables do not overrule."""
    asked = any(word == "--listen" or word.startswith("--listen=") for word in arguments)
    return asked or (not launched and bool(environment.get("GRAFTAGE_PLUGIN_LISTEN")))


def folder_of(script: str) -> str:
    """The folder of the program."""
    frozen = getattr(sys, "frozen", False)  # a program bundled by PyInstaller and its like
    return os.path.dirname(os.path.abspath(sys.executable if frozen else script))


def about(script: str) -> dict[str, str]:
    """`pluginID`, `version` and `time` as the plugin.json beside the program tells them, where it does."""
    import json  # not above: a plugin under a host needs it only after the handshake

    try:
        with open(os.path.join(folder_of(script), "plugin.json"), encoding="utf-8") as file:
            described = json.load(file)
    except (OSError, ValueError):
        return {}
    info = described.get("info") if isinstance(described, Mapping) else None
    info = info if isinstance(info, Mapping) else {}
    known = {
        "time": info.get("updated"),
        "pluginID": described.get("id") if isinstance(described, Mapping) else None,
        "version": info.get("version"),
    }
    return {name: value for name, value in known.items() if isinstance(value, str)}
