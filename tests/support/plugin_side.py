"""The plugin's side of a connection in this process: its gRPC server behind what a host asked for."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from graftage.protocol.broker import Broker
from graftage.protocol.certificate import Identity, to_pem
from graftage.protocol.handshake import Handshake
from graftage.protocol.wiring import Listens, Wiring
from graftage.sdk import services
from graftage.sdk.front import Front
from graftage.sdk.listener import Address, UnixPlan, listen


@dataclass
class PluginSide:
    """gone: why it would stop."""

    handshake: Handshake
    broker: Broker
    front: Front | None
    server: grpc.aio.Server
    gone: list[str] = field(default_factory=list)


@asynccontextmanager
async def plugin_side(
    folder: Path,
    *,
    host: Identity | None = None,
    multiplex: bool = False,
    handlers: Sequence[grpc.GenericRpcHandler[Any, Any]] = (),
) -> AsyncIterator[PluginSide]:
    """Serves health, broker and `handlers` as a plugin does; host: its identity, for TLS."""

    def listen_there(server: Listens) -> Address:
        return listen(server, UnixPlan(str(folder)))

    front = (
        Front(to_pem(host.certificate) if host else "", multiplex=multiplex) if host or multiplex else None
    )
    broker = Broker(front.wiring(listen_there) if front else Wiring(listen_there))
    stopping = asyncio.Event()
    server = grpc.aio.server()
    own = (services.health(stopping), services.broker(lambda: broker, stopping))
    server.add_generic_rpc_handlers((*own, *handlers))
    async with AsyncExitStack() as stack:
        address = front.stand_before(server, listen_there) if front else listen_there(server)
        stack.callback(address.remove)
        certificate = front.certificate if front and host else None
        side = PluginSide(
            Handshake(1, "unix", address.address, certificate, multiplex), broker, front, server
        )
        if front:
            stack.push_async_callback(front.close)
        stack.push_async_callback(server.stop, None)
        await server.start()
        if front:
            front.open(lambda: broker, side.gone.append)
        yield side
        stopping.set()


def socket_in(folder: Path) -> str:
    """A path for a socket."""
    return os.path.join(folder, secrets.token_hex(4))
