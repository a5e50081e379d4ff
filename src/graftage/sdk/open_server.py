"""A plugin served to whoever reaches its address, instead of to the host that launched it.

There is no handshake, and no service of the plugin system that is about one host: no `Shutdown`, no printed
output, no further connections. A host that asks such a plugin to stop learns that it does not know how to.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable
from functools import partial
from types import FrameType

import grpc.aio

from graftage.protocol.bridge import Inlet
from graftage.protocol.channel import server_options, target
from graftage.protocol.private_folder import PrivateFolder
from graftage.protocol.socket_listener import SocketListener
from graftage.sdk import log as logs
from graftage.sdk.running import CALL_SECONDS, STREAM_SECONDS, Application, GenericHandlers
from graftage.sdk.stopping import Stop


def run_openly(
    build: Callable[[], Application],
    listening: socket.socket,
    services: Callable[[Application, asyncio.Event], GenericHandlers],
    *,
    receive_bytes: int,
    context: ssl.SSLContext | None = None,
    ready: Callable[[], None],
) -> None:
    """Serve what `build` makes until SIGTERM, SIGHUP or SIGINT, which end the program with their status.

    listening: where; closed in the end. services: of the application, given an event that is set when it
    stops. context: for TLS. ready: called when calls are answered.
    """
    logs.install()
    stop = Stop(outlive_host=True)
    with stop.to_the_end():
        stop.handle_signals()
        signal.signal(signal.SIGINT, partial(_interrupted, stop))  # nobody else here decides about the end
        stop.watch()
        asyncio.run(_serve(build(), listening, services, stop, receive_bytes, context, ready))


async def _serve(
    application: Application,
    listening: socket.socket,
    services: Callable[[Application, asyncio.Event], GenericHandlers],
    stop: Stop,
    receive_bytes: int,
    context: ssl.SSLContext | None,
    ready: Callable[[], None],
) -> None:
    stop.attach(asyncio.get_running_loop())
    stopping = asyncio.Event()
    folder, listener = PrivateFolder(), SocketListener()
    path = folder.socket()
    stop.last_resort = folder.remove
    server = grpc.aio.server(options=server_options(receive_bytes=receive_bytes))
    server.add_generic_rpc_handlers(tuple(services(application, stopping)))
    inlet = Inlet(path, context)
    try:
        listener.take(listening)
        server.add_insecure_port(target("unix", path))
        application.prepare()
        await server.start()
        listener.serve(inlet.connection)
        ready()
        await stop.wait()
        await listener.close()
        stopping.set()
        ended = asyncio.create_task(server.stop(STREAM_SECONDS))
        await application.finish(CALL_SECONDS)
        await ended
    finally:
        await listener.close()
        await inlet.close()
        await server.stop(None)
        folder.remove()


def _interrupted(stop: Stop, number: int, _: FrameType | None) -> None:
    stop.request("SIGINT", exit_status=128 + number)
