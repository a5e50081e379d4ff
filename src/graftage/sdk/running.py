"""A plugin from its handshake to its end.

Source: hashicorp/go-plugin, server.go (`Serve`). Unlike it, a plugin that cannot start exits with status 1,
answers `Shutdown` before it stops, and takes its socket away however it is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import grpc.aio

from graftage.errors import SettingsError
from graftage.protocol import rpc
from graftage.protocol.channel import server_options
from graftage.protocol.environment import CLIENT_CERT, MULTIPLEX, VERSIONS
from graftage.protocol.handshake import format_handshake, is_true
from graftage.protocol.messages import Output
from graftage.protocol.version import choose_version, read_offer
from graftage.sdk import log as logs
from graftage.sdk import services, stdout
from graftage.sdk.listener import Address, listen, plan, unix_sockets_work
from graftage.sdk.output import OutputBuffer
from graftage.sdk.reflection import reflection
from graftage.sdk.stderr import redirected_stderr
from graftage.sdk.stopping import Stop

if TYPE_CHECKING:
    from graftage.protocol.broker import Broker
    from graftage.sdk.front import Front

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


@runtime_checkable
class UsesBroker(Protocol):
    """An application that makes further connections to its host, or takes some."""

    def connected(self, broker: Broker) -> None:
        """Here is the way: called once, before `prepare`."""


class Services:
    """An application that is nothing but services."""

    def __init__(self, versions: Mapping[int, GenericHandlers]) -> None:
        self.versions = versions

    def prepare(self) -> None:
        pass

    async def finish(self, seconds: float) -> None:
        pass


def run(
    build: Callable[[], Application], *, receive_bytes: int, outlive_host: bool, redirect_stderr: bool
) -> None:
    """Serve what `build` makes until the end; raises SystemExit when the program is to end with a status."""
    logs.install()
    stop = Stop(outlive_host=outlive_host)
    with stop.to_the_end():
        captured = stdout.take()
        stop.handle_signals()
        stop.watch()
        with redirected_stderr() if redirect_stderr else nullcontext() as errors:
            asyncio.run(_serve(build(), captured, errors, stop, receive_bytes))
        captured.flush()


async def _serve(
    application: Application,
    captured: stdout.CapturedStdout,
    errors: OutputBuffer | None,
    stop: Stop,
    receive_bytes: int,
) -> None:
    stop.attach(asyncio.get_running_loop())
    stopping = asyncio.Event()
    version = _version(application.versions)
    own = application.versions[version]
    outputs = {Output.STDOUT: captured.output}
    if errors is not None:
        outputs[Output.STDERR] = errors
    unix_sockets = unix_sockets_work()
    front = _front(unix_sockets=unix_sockets)
    listen_where_told = partial(listen, where=plan(os.environ, unix_sockets=unix_sockets))

    @cache
    def broker() -> Broker:
        from graftage.protocol.broker import Broker  # not before the handshake
        from graftage.protocol.wiring import Wiring

        wiring = front.wiring(listen_where_told) if front else Wiring(listen_where_told)
        return Broker(wiring, keep_seconds=math.inf)  # a host's offer lasts until the plugin has use for it

    server = grpc.aio.server(options=server_options(receive_bytes=receive_bytes))
    server.add_generic_rpc_handlers(
        (
            *own,
            services.health(stopping),
            services.controller(lambda: stop.request("the host's Shutdown")),
            services.stdio(outputs),
            services.broker(broker, stopping),
            *reflection([rpc.HEALTH, rpc.CONTROLLER, rpc.STDIO, rpc.BROKER, *names_of(own)]),
        )
    )
    async with AsyncExitStack() as stack:
        address = front.stand_before(server, listen_where_told) if front else listen_where_told(server)
        stack.callback(address.remove)
        stop.last_resort = partial(_remove, address, front)
        if front:
            stack.push_async_callback(front.close)
        stack.push_async_callback(server.stop, None)
        await server.start()
        if front:
            front.open(broker, stop.request)
        _shake_hands(captured.original, version, address, front)
        if isinstance(application, UsesBroker):
            application.connected(broker())
        application.prepare()
        log.debug("plugin address", extra={"network": address.network, "address": address.address})
        await stop.wait()
        log.debug("the plugin stops", extra={"reason": stop.reason})
        stopping.set()
        ended = asyncio.create_task(server.stop(STREAM_SECONDS))
        await application.finish(CALL_SECONDS)
        captured.flush()
        for output in outputs.values():  # last of all, as everything above may have printed
            output.close()
        await ended


def _version(own: Mapping[int, GenericHandlers]) -> int:
    offered, unreadable = read_offer(os.environ.get(VERSIONS, ""))
    if unreadable:
        log.warning("the host offers protocol versions that are no numbers: %s", ", ".join(unreadable))
    return choose_version(own, offered)


def _front(*, unix_sockets: bool) -> Front | None:
    """What stands before the gRPC server, if the host has asked for anything but plain gRPC."""
    client_cert, multiplex = os.environ.get(CLIENT_CERT, ""), is_true(os.environ.get(MULTIPLEX, ""))
    if not client_cert and not multiplex:
        return None
    if not unix_sockets:
        raise SettingsError(
            "the host asks for TLS or multiplexing, for which this plugin needs Unix sockets, "
            "but this system offers none; turn both off in the host"
        )
    from graftage.sdk.front import Front

    return Front(client_cert, multiplex=multiplex)


def _remove(address: Address, front: Front | None) -> None:
    address.remove()
    if front:
        front.remove()


def _shake_hands(host: int, version: int, address: Address, front: Front | None) -> None:
    asked = bool(os.environ.get(MULTIPLEX))
    line = format_handshake(
        version,
        address.network,
        address.address,
        certificate=front.certificate if front else b"",
        multiplex=is_true(os.environ[MULTIPLEX]) if asked else None,
    )
    os.write(host, line)


def names_of(handlers: GenericHandlers) -> list[str]:
    """The services that handlers name; one that serves whatever it is asked for has no name to list."""
    return [handler.service_name() for handler in handlers if isinstance(handler, grpc.ServiceRpcHandler)]
