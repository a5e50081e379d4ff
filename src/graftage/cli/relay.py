"""`graftage relay`: lets Grafana use a plugin that runs elsewhere.

`graftage relay install PLUGIN_DIR --to HOST:PORT` writes what Grafana will launch in place of the plugin, and
its settings; `graftage relay run` is what that file does: it runs the relay.

Exit status of `install`: 0; 1 when the folder describes no plugin; 2 when something given cannot be used.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from graftage.errors import PluginFault, SettingsError
from graftage.host.executable import build_name
from graftage.host.plugin_json import FILE_NAME, PluginJson, PluginJsonError, read_plugin_json
from graftage.protocol.network_peer import NotSecured, peer_from
from graftage.protocol.network_tls import TlsFiles
from graftage.sdk import relay

LAUNCHER = """#!/bin/sh
# Grafana launches this in place of the plugin, which runs elsewhere: see {settings} beside it.
exec {python} -P -m graftage.sdk.relay "$0"
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "relay",
        help="let Grafana use a plugin that runs elsewhere",
        description="Put a relay into a plugin's folder, which Grafana launches in place of the plugin.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, text, set_up in (
        ("install", "write the launcher and its settings into a plugin's folder", _set_up_install),
        ("run", "be the relay, as Grafana launches it", _set_up_run),
    ):
        set_up(actions.add_parser(name, help=text, description=text, allow_abbrev=False))


def _set_up_install(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="PLUGIN_DIR", help="the folder of its plugin.json")
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="where the plugin listens")
    parser.add_argument("--tls-cert", metavar="FILE", help="the certificate to show, in PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="the certificate's key")
    parser.add_argument("--tls-ca", metavar="FILE", help="the authority whose certificates are trusted")
    parser.add_argument("--tls-server-name", metavar="NAME", help="what the plugin's certificate is for")
    parser.add_argument("--no-tls", action="store_true", help="in the open, also to another machine")
    parser.add_argument("--force", action="store_true", help="replace the executable that is there")
    parser.set_defaults(run=install)


def _set_up_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default=relay.FILE, metavar="FILE", help=f"its {relay.FILE}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    relay.main([args.file])
    return 0


def install(args: argparse.Namespace) -> int:
    """Write the launcher under the name that Grafana looks for, and the settings beside it."""
    folder = args.folder.absolute()
    plugin = _plugin(folder)
    launcher = folder / build_name(plugin.executable, platform.system(), platform.machine())
    settings = launcher.parent / relay.FILE
    files = {
        key: os.path.abspath(path)
        for key in ("tls_cert", "tls_key", "tls_ca")
        if (path := getattr(args, key))
    }
    _check(args, files)
    if launcher.exists() and not args.force and not _is_ours(launcher):
        raise SettingsError(f"{launcher} is there already; --force puts the relay in its place")
    _write(settings, _settings_text(args, files), 0o644)
    python = shlex.quote(sys.executable)
    _write(launcher, LAUNCHER.format(python=python, settings=relay.FILE), 0o755)
    print(f"{launcher} relays to {args.to}; its settings are in {settings}")
    return 0


def _plugin(folder: Path) -> PluginJson:
    try:
        plugin = read_plugin_json(folder / FILE_NAME)
    except PluginJsonError as error:
        raise PluginFault(f"{folder / FILE_NAME}: {error}") from error
    if not plugin.backend or not plugin.executable:
        raise PluginFault(
            f'{folder / FILE_NAME}: Grafana launches nothing without "backend": true and an "executable"'
        )
    return plugin


def _check(args: argparse.Namespace, files: Mapping[str, str]) -> None:
    """Could a relay with these settings reach its plugin? Nothing is written yet. Raises SettingsError."""
    paths = [Path(files[key]) if key in files else None for key in ("tls_cert", "tls_key", "tls_ca")]
    try:
        peer = peer_from(
            args.to,
            tls=False if args.no_tls else None,
            files=TlsFiles(*paths),
            server_name=args.tls_server_name or "",
        )
    except NotSecured:
        raise SettingsError(
            f"the plugin at {args.to} is not on this machine: name --tls-cert, --tls-key and --tls-ca, or "
            "say --no-tls to send queries and secrets in the open"
        ) from None
    peer.security()


def _settings_text(args: argparse.Namespace, files: Mapping[str, str]) -> str:
    """TOML. A text in JSON is one in TOML, too, but for characters that no path and no name has."""
    import json

    values = {"to": args.to, **files}
    if args.tls_server_name:
        values["tls_server_name"] = args.tls_server_name
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([*lines, *(["tls = false"] if args.no_tls else [])]) + "\n"


def _is_ours(launcher: Path) -> bool:
    return b"graftage.sdk.relay" in launcher.read_bytes()[:4096]


def _write(path: Path, text: str, mode: int) -> None:
    """Under a name of its own first: Grafana may be executing the file that is there."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(mode)
        draft.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
