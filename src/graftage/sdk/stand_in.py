"""The stand-in for a plugin that runs under a debugger.

Grafana starts this program as it starts any plugin. When the plugin itself is running already, in stand-alone
mode, this one only tells where: its handshake names the other's address. It is looked for before every
start, so this module is light.

Source: Grafana's Go SDK, internal/standalone (`ClientModeEnabled`, `RunDummyPluginLocator`), whose stand-in
stays although the plugin or Grafana has gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress

from graftage.protocol.process_id import is_alive

ADDRESS_FILE = "standalone.txt"
PID_FILE = "pid.txt"
VARIABLE = "GF_PLUGIN_GRPC_ADDRESS_"

_REPORT_SECONDS = 10.0
_LOOK_SECONDS = 1.0


def address_variable(plugin_id: str) -> str:
    """The environment variable that names a stand-alone plugin's address."""
    return VARIABLE + plugin_id.upper().replace("-", "_")


def stand_alone_plugin(folder: str, environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Address and pid (0 if unknown) of the plugin that runs already; None if there is none.

    folder: that of this program.
    """
    address = _from_variable(folder, environment) or _read(folder, ADDRESS_FILE)
    if not address:
        return None
    text = _read(folder, PID_FILE)
    pid = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if text and not is_alive(pid):
        return None
    return address, pid


def stand_in(address: str, pid: int, output: int) -> None:
    """Print the handshake and, from time to time, that this program stands in; until the plugin at the
    address, or the host, is gone. output: the host's descriptor. SIGTERM ends it.
    """
    from graftage.sdk import launcher

    os.write(output, f"1|2|tcp|{address}|grpc\n".encode())
    reported = time.monotonic()
    while not launcher.is_gone() and (pid == 0 or is_alive(pid)):
        time.sleep(_LOOK_SECONDS)
        if time.monotonic() - reported >= _REPORT_SECONDS:
            reported = time.monotonic()
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            with suppress(OSError):  # who does not read it goes without
                os.write(output, f"[{now}] using address: {address}\n".encode())


def _from_variable(folder: str, environment: Mapping[str, str]) -> str:
    if not any(name.startswith(VARIABLE) for name in environment):
        return ""
    import json

    try:
        plugin_id = json.loads(_read(folder, "plugin.json"))["id"]
    except (ValueError, KeyError, TypeError):
        return ""
    return environment.get(address_variable(str(plugin_id)), "")


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""
