"""Between gRPC, which knows plain sockets only, and connections with TLS or inside another connection.

    client:  gRPC channel -> private socket -> [TLS] -> socket or stream
    server:  socket or stream -> [TLS] -> private socket -> gRPC server

The private sockets are in a folder that only this user can enter: whoever reaches one of them has passed.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import grpc.aio

from graftage.protocol.channel import Options, target
from graftage.protocol.forwarding import Dial, Forwarder, dialer
from graftage.protocol.private_folder import PrivateFolder
from graftage.protocol.socket_listener import SocketListener
from graftage.protocol.tls_connection import TlsConnection


@asynccontextmanager
async def bridged_channel(
    dial: Dial, folder: PrivateFolder, options: Options
) -> AsyncIterator[tuple[grpc.aio.Channel, Forwarder]]:
    """A gRPC channel whose connections are those that `dial` makes. The forwarder knows why one failed."""
    forwarder = Forwarder(dial)
    path = folder.socket()
    listener = SocketListener()
    listener.add_insecure_port(f"unix:{path}")
    async with AsyncExitStack() as stack:
        stack.callback(_unlink, path)
        stack.push_async_callback(forwarder.close)
        stack.push_async_callback(listener.close)
        listener.serve(forwarder.incoming)
        channel = grpc.aio.insecure_channel(target("unix", path), options)
        stack.push_async_callback(channel.close, None)
        yield channel, forwarder


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


class Inlet:
    """Carries connections that come in to the private socket of a gRPC server.

    path: of that socket. context: for TLS; None without. to be closed in the end.
    """

    def __init__(self, path: str, context: ssl.SSLContext | None) -> None:
        self._forwarder = Forwarder(dialer("unix", path))
        self._context = context

    def connection(self) -> asyncio.Protocol:
        """The protocol for one connection that comes in."""
        incoming = self._forwarder.incoming()
        if self._context is None:
            return incoming
        return TlsConnection(self._context, incoming, server_side=True)

    async def close(self) -> None:
        """End all connections, now."""
        await self._forwarder.close()
