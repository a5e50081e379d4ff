"""The table `[plugin.<id>]`: which of its keys are the host's, and what they make together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from graftage.backend.secrets import Secrets
from graftage.config.keys import FOLDER, Key, boolean, path, text, whole
from graftage.config.settings import PluginSettings
from graftage.errors import SettingsError
from graftage.host.checksum import Checksum
from graftage.host.remote import RemotePlugin
from graftage.protocol.handshake import address_problem
from graftage.protocol.network_peer import peer_from
from graftage.protocol.network_tls import TlsFiles
from graftage.protocol.reattach import ReattachData, read_reattach

_SHA256 = re.compile("[0-9a-fA-F]{64}")


def _sha256(value: object, _folder: Path) -> Checksum:
    if not _SHA256.fullmatch(text(value)):
        raise ValueError(value)
    return Checksum(bytes.fromhex(text(value)))


def _reattach(value: object, _folder: Path) -> ReattachData:
    try:
        return read_reattach(text(value))
    except SettingsError as error:
        raise ValueError(value) from error


def _address(value: object, _folder: Path) -> str:
    if address_problem("tcp", text(value)):
        raise ValueError(value)
    return text(value)


def _name(value: object, _folder: Path) -> str:
    if not text(value):
        raise ValueError(value)
    return text(value)


_PEM = Key("the path of a PEM file", path)

# Of every plugin.
HOST_KEYS: Mapping[str, Key] = {
    "path": FOLDER,
    "sha256": Key("64 hexadecimal digits", _sha256),
    "address": Key("host:port, where the plugin runs", _address),
    "reattach": Key("reattach data, as the JSON that a plugin in test mode hands out", _reattach),
}
# How this one is launched, by the names that LaunchOptions has for it.
LAUNCH_KEYS: Mapping[str, Key] = dict.fromkeys(
    ("auto_mtls", "multiplex", "shared_group"), Key("true or false", boolean)
)
# Of one that runs elsewhere; to all others they are keys like any, and reach their process.
REMOTE_KEYS: Mapping[str, Key] = {
    "tls": Key("true or false", boolean),
    "tls_cert": _PEM,
    "tls_key": _PEM,
    "tls_ca": _PEM,
    "tls_server_name": Key("the name that the plugin's certificate is for", _name),
    "protocol_version": Key("1 or 2", partial(whole, least=1, most=2)),
}


def host_keys(table: Mapping[str, object]) -> Mapping[str, Key]:
    """Which keys of this table are for the host."""
    return {**HOST_KEYS, **(REMOTE_KEYS if "address" in table else LAUNCH_KEYS)}


def meant_key(name: str) -> str:
    """The key of the host's that was probably meant by this one, which is none; empty without one.

    Only what is nearly the same counts: all other keys are the plugin's own.
    """
    known = {**HOST_KEYS, **LAUNCH_KEYS, **REMOTE_KEYS}
    close = [] if name in known else difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.85)
    return close[0] if close else ""


def plugin_settings(own: Mapping[str, object], others: Mapping[str, str]) -> PluginSettings:
    """What a table makes: the host's keys, as they were read, and the plugin's. Raises SettingsError."""
    ways = [key for key in ("address", "reattach", "sha256") if key in own]
    if len(ways) > 1:
        raise SettingsError(f"{' and '.join(ways)} exclude each other; keep one of them")
    launch = {key: bool(own[key]) for key in LAUNCH_KEYS if key in own}
    if launch and "reattach" in own:
        raise SettingsError(f"{', '.join(launch)} and reattach exclude each other: nothing is launched")
    if others and ("address" in own or "reattach" in own):
        raise SettingsError(
            f"{', '.join(others)} would reach the environment of a process that the host starts, and with "
            f"{ways[0]} it starts none; set this where the plugin is started"
        )
    return PluginSettings(
        path=own.get("path"),  # type: ignore[arg-type]  # each was read by the key of its own name
        values=Secrets(others),
        checksum=own.get("sha256"),  # type: ignore[arg-type]
        elsewhere=_remote(own) if "address" in own else own.get("reattach"),  # type: ignore[arg-type]
        launch=launch,
    )


def _remote(own: Mapping[str, object]) -> RemotePlugin:
    tls = own.get("tls")
    files = TlsFiles(own.get("tls_cert"), own.get("tls_key"), own.get("tls_ca"))  # type: ignore[arg-type]
    peer = peer_from(
        str(own["address"]),
        tls=None if tls is None else bool(tls),
        files=files,
        server_name=str(own.get("tls_server_name", "")),
    )
    return RemotePlugin(peer, version=int(str(own.get("protocol_version", 2))))
