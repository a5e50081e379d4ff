"""Listening on the network instead of being launched: `python plugin.py --listen HOST:PORT`.

    --listen HOST:PORT    GRAFTAGE_PLUGIN_LISTEN     where; an empty host means every address
    --tls-cert FILE       GRAFTAGE_PLUGIN_TLS_CERT   its certificate, in PEM
    --tls-key FILE        GRAFTAGE_PLUGIN_TLS_KEY    the certificate's key
    --tls-ca FILE         GRAFTAGE_PLUGIN_TLS_CA     the authority that signs the certificates of hosts
    --no-tls              GRAFTAGE_PLUGIN_TLS=false  in the open, also beyond this machine

Whoever can connect gets the data, so a host has to show a certificate, unless the address is of this machine.
A program that a host has launched listens for that host, whatever the variables say.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from graftage.errors import SettingsError
from graftage.protocol.network_tls import TlsFiles, is_loopback, server_context, split_address
from graftage.sdk.open_server import run_openly
from graftage.sdk.running import Application, GenericHandlers, names_of
from graftage.sdk.services import health

VARIABLES = "GRAFTAGE_PLUGIN_"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """Where to listen, and with which files for TLS; None to listen in the open.

    Raises SettingsError for listening in the open beyond this machine when nobody asked for that.
    """

    host: str
    port: int
    tls: TlsFiles | None
    is_open: bool = False

    def __post_init__(self) -> None:
        if self.tls is None and not self.is_open and not is_loopback(self.host):
            raise SettingsError(
                f"--listen {self.host}:{self.port} can be reached from other machines: name --tls-cert, "
                "--tls-key and --tls-ca, or say --no-tls to answer whoever connects"
            )


def run_on_network(
    build: Callable[[], Application],
    *,
    receive_bytes: int,
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Serve all versions of the protocol at once, with a health service. Ends as `run_openly` does, or with
    status 2 when it cannot be done as it was asked for.
    """
    try:
        plan = network_plan(arguments, environment)
        context = server_context(plan.tls) if plan.tls else None
        listening = listen_there(plan.host, plan.port)
    except SettingsError as error:
        sys.stderr.write(f"the plugin cannot serve: {error}\n")
        raise SystemExit(2) from None
    host, port = listening.getsockname()[:2]

    def ready() -> None:
        log.info("the plugin listens", extra={"address": f"{host}:{port}", "tls": context is not None})

    run_openly(build, listening, _services, receive_bytes=receive_bytes, context=context, ready=ready)


def network_plan(arguments: Sequence[str], environment: Mapping[str, str]) -> NetworkPlan:
    """What flags and variables ask for; flags win. Raises SettingsError."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for name in ("listen", "tls-cert", "tls-key", "tls-ca"):
        variable = VARIABLES + name.replace("-", "_").upper()
        parser.add_argument(f"--{name}", default=environment.get(variable, ""))
    parser.add_argument("--no-tls", action="store_true", default=_is_off(environment))
    given, _ = parser.parse_known_args(arguments)  # the program may have flags of its own
    try:
        host, port = split_address(given.listen)
    except ValueError:
        raise SettingsError(
            f"expected --listen HOST:PORT, such as 0.0.0.0:9000 or [::]:9000, got {given.listen!r}"
        ) from None
    paths = [Path(text) if text else None for text in (given.tls_cert, given.tls_key, given.tls_ca)]
    files = TlsFiles(*paths)
    if given.no_tls and files != TlsFiles():
        raise SettingsError("--no-tls and files for TLS exclude each other; leave one of them out")
    return NetworkPlan(host, port, None if files == TlsFiles() else files, given.no_tls)


def listen_there(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def _services(application: Application, stopping: asyncio.Event) -> GenericHandlers:
    from graftage.protocol import rpc
    from graftage.sdk.reflection import reflection

    own = [handler for handlers in application.versions.values() for handler in handlers]
    return (*own, health(stopping), *reflection([rpc.HEALTH, *names_of(own)]))


def _is_off(environment: Mapping[str, str]) -> bool:
    word = environment.get(f"{VARIABLES}TLS", "true").lower()
    if word not in ("true", "false"):
        raise SettingsError(f"expected {VARIABLES}TLS to be true or false, got {word!r}")
    return word == "false"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)
