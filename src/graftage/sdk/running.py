"""A plugin from its handshake to its end.

Source: hashicorp/go-plugin, server.go (`Serve`). Unlike it, a plugin that cannot start exits with status 1,
answers `Shutdown` before it stops, and takes its socket away however it is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import grpc.aio

from graftage.errors import GraftageError
from graftage.protocol import rpc
from graftage.protocol.channel import server_options
from graftage.protocol.environment import CLIENT_CERT, MULTIPLEX, VERSIONS
from graftage.protocol.handshake import format_handshake
from graftage.protocol.version import choose_version, read_offer
from graftage.sdk import log as logs
from graftage.sdk import services, stdout
from graftage.sdk.listener import Address, listen, plan, unix_sockets_work
from graftage.sdk.reflection import reflection
from graftage.sdk.stopping import Stop

# Together less than `STOP_SECONDS`, after which the process is ended by force.
CALL_SECONDS = 1.0
STREAM_SECONDS = 1.5

GenericHandlers = Sequence["grpc.GenericRpcHandler[bytes, bytes]"]

log = logging.getLogger(__name__)


class Application(Protocol):
    """What is served beside the services of the plugin system."""

    @property
    def versions(self) -> Mapping[int, GenericHandlers]:
        """The services by version of the application protocol."""

    def prepare(self) -> None:
        """Load what the calls will need: called once the handshake is printed, before the first call."""

    async def finish(self, seconds: float) -> None:
        """Let running calls end for so long, end the others, and clean up."""


class Services:
    """An application that is nothing but services."""

    def __init__(self, versions: Mapping[int, GenericHandlers]) -> None:
        self.versions = versions

    def prepare(self) -> None:
        pass

    async def finish(self, seconds: float) -> None:
        pass


def run(build: Callable[[], Application], *, receive_bytes: int, outlive_host: bool) -> None:
    """Serve what `build` makes until the end; raises SystemExit when the program is to end with a status."""
    logs.install()
    stop = Stop(outlive_host=outlive_host)
    try:
        captured = stdout.take()
        stop.handle_signals()
        stop.watch()
        asyncio.run(_serve(build(), captured, stop, receive_bytes))
    except GraftageError as error:
        log.error("the plugin cannot serve: %s", error)  # noqa: TRY400 - it says all there is to say
        raise SystemExit(1) from None
    except Exception:
        log.exception("the plugin cannot serve")
        raise SystemExit(1) from None
    finally:
        stop.served()
    captured.flush()
    if stop.exit_status:
        raise SystemExit(stop.exit_status)


async def _serve(
    application: Application, captured: stdout.CapturedStdout, stop: Stop, receive_bytes: int
) -> None:
    stop.attach(asyncio.get_running_loop())
    stopping = asyncio.Event()
    version = _version(application.versions)
    own = application.versions[version]
    server = grpc.aio.server(options=server_options(receive_bytes=receive_bytes))
    server.add_generic_rpc_handlers(
        (
            *own,
            services.health(stopping),
            services.controller(lambda: stop.request("the host's Shutdown")),
            services.stdio(captured.output),
            services.broker(stopping),
            *reflection([rpc.HEALTH, rpc.CONTROLLER, rpc.STDIO, rpc.BROKER, *_names(own)]),
        )
    )
    address = listen(server, plan(os.environ, unix_sockets=unix_sockets_work()))
    stop.last_resort = address.remove
    try:
        await server.start()
        _shake_hands(captured.original, version, address)
        application.prepare()
        log.debug("plugin address", extra={"network": address.network, "address": address.address})
        await stop.wait()
        log.debug("the plugin stops", extra={"reason": stop.reason})
        stopping.set()
        ended = asyncio.create_task(server.stop(STREAM_SECONDS))
        await application.finish(CALL_SECONDS)
        captured.flush()
        captured.output.close()  # last of all, as everything above may have printed
        await ended
    finally:
        await server.stop(None)
        address.remove()


def _version(own: Mapping[int, GenericHandlers]) -> int:
    offered, unreadable = read_offer(os.environ.get(VERSIONS, ""))
    if os.environ.get(CLIENT_CERT):
        log.warning("the host asks for TLS, which this plugin does not speak; turn AutoMTLS off in the host")
    if unreadable:
        log.warning("the host offers protocol versions that are no numbers: %s", ", ".join(unreadable))
    return choose_version(own, offered)


def _shake_hands(host: int, version: int, address: Address) -> None:
    line = format_handshake(
        version, address.network, address.address, multiplex_asked=bool(os.environ.get(MULTIPLEX))
    )
    os.write(host, line)


def _names(handlers: GenericHandlers) -> list[str]:
    """The services that handlers name; one that serves whatever it is asked for has no name to list."""
    return [handler.service_name() for handler in handlers if isinstance(handler, grpc.ServiceRpcHandler)]
