"""A stand-in that Grafana launches in place of a plugin that runs elsewhere: `python -m graftage.sdk.relay`.

    Grafana -> the relay's socket -> [TLS] -> host:port, where the plugin listens

It prints the handshake at once, carries bytes and reads none of them, so it needs no gRPC and starts in a
fraction of the time of a plugin. When the plugin is started again, Grafana's gRPC connects anew, and so does
the relay. It ends with whoever launched it.

What Grafana sends is for the plugin, `Shutdown` included. One of this SDK that listens on the network does
not know that call: Grafana then waits its two seconds and kills the relay, and the plugin lives on. To a
plugin that does know it, Grafana's end is its own.

Settings are in a file of TOML, `relay.toml` beside the program that Grafana launches. Variables win: those
named `GRAFTAGE_RELAY_` and the setting's name, then `GF_PLUGIN_RELAY_` and the name, which Grafana makes of
keys in its `[plugin.<id>]`.

    to = "plugins.example:9000"       where the plugin listens
    tls_cert, tls_key                 files in PEM: the certificate to show, and its key
    tls_ca                            the authority whose certificates are trusted
    tls_server_name                   what the plugin's certificate is for, if not for the host in `to`
    tls = false                       in the open, although `to` is on another machine
    versions = [1, 2]                 those of the protocol that the plugin serves
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from graftage.errors import SettingsError
from graftage.protocol.environment import CLIENT_CERT, MULTIPLEX, VERSIONS
from graftage.protocol.forwarding import Forwarder
from graftage.protocol.handshake import format_handshake
from graftage.protocol.network_peer import NetworkPeer, peer_from
from graftage.protocol.network_tls import TlsFiles
from graftage.protocol.socket_listener import SocketListener
from graftage.protocol.version import choose_version, read_offer
from graftage.sdk import log as logs
from graftage.sdk import stdout
from graftage.sdk.listener import listen, plan, unix_sockets_work
from graftage.sdk.stopping import Stop

FILE = "relay.toml"
PREFIXES = ("GF_PLUGIN_RELAY_", "GRAFTAGE_RELAY_")  # later ones win
TEXTS = ("to", "tls_cert", "tls_key", "tls_ca", "tls_server_name")
KEYS = (*TEXTS, "tls", "versions")
KNOWN_VERSIONS = (1, 2)

_REPORT_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """peer: where the plugin is. versions: of the protocol, which it serves."""

    peer: NetworkPeer
    versions: tuple[int, ...] = KNOWN_VERSIONS


def main(arguments: Sequence[str] | None = None) -> None:
    """Relay until the launcher ends it, or is gone. arguments: the settings file, or the program that Grafana
    launched, beside which the file is; the working directory's without it. Raises SystemExit.
    """
    given = sys.argv[1:] if arguments is None else arguments
    file = Path(given[0] if given else FILE)
    if file.suffix != ".toml":
        file = file.parent / FILE
    logs.install()
    stop = Stop()
    with stop.to_the_end():
        if not stdout.launched_by_host():
            raise SettingsError(
                "a relay is launched by Grafana, in place of a plugin; `graftage relay install` puts it there"
            )
        captured = stdout.take()
        stop.handle_signals()
        stop.watch()
        asyncio.run(_relay(read_relay_settings(file, os.environ), captured.original, stop))
        captured.flush()


def read_relay_settings(file: Path, environment: Mapping[str, str]) -> RelaySettings:
    """The settings of the file, if there is one, and of variables. Raises SettingsError."""
    values = _read_file(file) | _read_variables(environment)
    if "to" not in values:
        raise SettingsError(
            f'it is not said where the plugin is: write to = "host:port" into {file}, or set {PREFIXES[1]}TO'
        )
    paths = [_path(values.get(key), file.parent) for key in ("tls_cert", "tls_key", "tls_ca")]
    peer = peer_from(
        str(values["to"]),
        tls=_boolean(values.get("tls")),
        files=TlsFiles(*paths),
        server_name=str(values.get("tls_server_name", "")),
    )
    return RelaySettings(peer, _versions(values.get("versions", KNOWN_VERSIONS)))


async def _relay(settings: RelaySettings, host: int, stop: Stop) -> None:
    stop.attach(asyncio.get_running_loop())
    offered, _ = read_offer(os.environ.get(VERSIONS, ""))
    version = choose_version(settings.versions, offered)
    forwarder, listener = Forwarder(settings.peer.dial()), SocketListener()
    incoming, certificate = _incoming(forwarder)
    asked = MULTIPLEX in os.environ
    async with AsyncExitStack() as stack:
        address = listen(listener, plan(os.environ, unix_sockets=unix_sockets_work()))
        stack.callback(address.remove)
        stop.last_resort = address.remove
        stack.push_async_callback(forwarder.close)
        stack.push_async_callback(listener.close)
        listener.serve(incoming)
        multiplex = False if asked else None
        os.write(host, format_handshake(version, *address, certificate=certificate, multiplex=multiplex))
        log.info("relaying to a plugin elsewhere", extra={"to": settings.peer.address})
        reporting = asyncio.create_task(_report(forwarder, settings.peer.address))
        await stop.wait()
        log.debug("the relay stops", extra={"reason": stop.reason})
        reporting.cancel()


def _incoming(forwarder: Forwarder) -> tuple[Callable[[], asyncio.Protocol], bytes]:
    """What takes the host's connections, and the certificate to show it: none unless it asks for TLS."""
    client_cert = os.environ.get(CLIENT_CERT, "")
    if not client_cert:
        return forwarder.incoming, b""
    from graftage.protocol.certificate import BadCertificateText, from_pem, make_identity
    from graftage.protocol.tls import UnusableCertificate, credentials
    from graftage.protocol.tls_connection import TlsConnection

    identity = make_identity()
    try:
        context = credentials(identity, from_pem(client_cert)).server
    except (BadCertificateText, UnusableCertificate) as error:
        raise SettingsError(f"{CLIENT_CERT} holds no usable certificate of the host: {error}") from error
    return lambda: TlsConnection(context, forwarder.incoming(), server_side=True), identity.certificate


async def _report(forwarder: Forwarder, address: str) -> None:
    """Tell of connections that fail, not more often than every few seconds."""
    while True:
        await forwarder.failed.wait()
        log.warning(
            "a connection to the plugin broke or could not be made",
            extra={"to": address, "reason": forwarder.reason},
        )
        await asyncio.sleep(_REPORT_SECONDS)
        forwarder.failed.clear()


def _read_file(file: Path) -> dict[str, object]:
    import tomllib

    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the relay's settings in {file} cannot be read: {error}") from error
    if unknown := sorted(values.keys() - set(KEYS)):
        raise SettingsError(
            f"{file}: {', '.join(unknown)} is no setting of a relay; known are {', '.join(KEYS)}"
        )
    if wrong := [key for key in TEXTS if not isinstance(values.get(key, ""), str)]:
        raise SettingsError(f"{file}: expected a text as {wrong[0]}, got {values[wrong[0]]!r}")
    return values


def _read_variables(environment: Mapping[str, str]) -> dict[str, object]:
    return {
        key: environment[prefix + key.upper()]
        for prefix in PREFIXES
        for key in KEYS
        if environment.get(prefix + key.upper())
    }


def _path(value: object, folder: Path) -> Path | None:
    return folder / str(value) if value else None


def _boolean(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise SettingsError(f"expected tls to be true or false, got {value!r}")
    return str(value).lower() == "true"


def _versions(value: object) -> tuple[int, ...]:
    """A list of numbers, or a text with commas between them."""
    entries = value if isinstance(value, list | tuple) else str(value).split(",")
    known = {str(version): version for version in KNOWN_VERSIONS}
    versions = tuple(known[text] for entry in entries if (text := str(entry).strip()) in known)
    if not versions or len(versions) != len(entries):
        raise SettingsError(f"expected versions of the protocol, 1 and 2, as versions, got {value!r}")
    return versions


if __name__ == "__main__":
    main()
