"""The way to a plugin that listens at an address: a gRPC channel and a broker, whatever is between.

    plain:                 gRPC channel -> the plugin's socket
    TLS:                   gRPC channel -> private socket -> TLS -> the plugin's socket
    multiplexed:           gRPC channel -> private socket -> [TLS] -> stream of the one connection

It needs an address only, not a process.

Source: hashicorp/go-plugin, grpc_client.go (`newGRPCClient`), client.go (`dialer`, `getGRPCMuxer`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple

import grpc.aio

from graftage.errors import GraftageError
from graftage.host.last_steps import to_the_end
from graftage.protocol.bridge import bridged_channel
from graftage.protocol.broker import Broker
from graftage.protocol.certificate import Identity
from graftage.protocol.channel import channel_options, target
from graftage.protocol.forwarding import Dial, Forwarder, dialer
from graftage.protocol.handshake import BadCertificate, Handshake
from graftage.protocol.private_folder import PrivateFolder
from graftage.protocol.tls import Credentials, UnusableCertificate, credentials
from graftage.protocol.tls_connection import secured
from graftage.protocol.wiring import Listens, Wiring
from graftage.protocol.yamux_session import Session

_CLOSE_SECONDS = 0.5


class NotReached(Exception):
    """Nothing at the address could be connected to."""


class Link:
    """A connection to a plugin. Made by `open_link`.

    ended: done, with the reason, when no connection will ever be possible again; never, as long as gRPC may
    try again. is_secured: does TLS lie over the connections.
    """

    def __init__(
        self,
        handshake: Handshake,
        channel: grpc.aio.Channel,
        broker: Broker,
        forwarder: Forwarder | None,
        session: Session | None,
        *,
        is_secured: bool = False,
    ) -> None:
        self.handshake = handshake
        self.is_secured = is_secured
        self.channel = channel
        self.broker = broker
        self.ended: asyncio.Future[str] = (
            session.ended if session else asyncio.get_running_loop().create_future()
        )
        self._forwarder = forwarder

    def why_broken(self, told: str) -> str:
        """Why calls do not get through. told: by gRPC, which knows nothing but our private socket where
        connections are carried on.
        """
        if self._forwarder is None:
            return told
        return f"{self.handshake.address}: {self._forwarder.reason or 'the connection ended'}"

    async def refused(self) -> str:
        """Return, with the reason, when a connection below gRPC could not be made or broke."""
        if self._forwarder is None:
            return await asyncio.shield(self.ended)
        await self._forwarder.failed.wait()
        return self._forwarder.reason


@asynccontextmanager
async def open_link(
    handshake: Handshake,
    *,
    receive_bytes: int,
    identity: Identity | None = None,
    multiplex: bool = False,
    folder: str = "",
    secure: Callable[[Dial], Dial] | None = None,
    is_secured: bool = False,
) -> AsyncIterator[Link]:
    """Connect to where a plugin listens. gRPC connects later, when it is first used.

    receive_bytes: the largest answer taken. identity: ours, for TLS; the handshake has the plugin's
    certificate then. multiplex: carry everything over one connection. folder: private already, for sockets.
    secure: puts TLS of another kind, or nothing, over connections that are made here and never by gRPC;
    is_secured: whether it is TLS.
    Raises NotReached, BadCertificate, or SettingsError when no private socket can be made.
    """
    private = PrivateFolder(folder)
    network = "unix" if secure else handshake.network  # what gRPC gets to see
    options = channel_options(network, handshake.address, receive_bytes=receive_bytes)
    async with AsyncExitStack() as stack:
        stack.callback(private.remove)
        secrets = _credentials(identity, handshake)
        dial = dialer(handshake.network, handshake.address)
        session = await _session(stack, dial) if multiplex else None
        if session is not None:
            dial = session.dial()
        if secrets is not None:
            dial = secured(dial, secrets.client)
        forwarder = None
        if secure is not None:
            dial = secure(dial)
        if session is None and secrets is None and secure is None:
            channel = grpc.aio.insecure_channel(target(handshake.network, handshake.address), options)
        else:
            channel, forwarder = await stack.enter_async_context(bridged_channel(dial, private, options))
        stack.push_async_callback(to_the_end, channel.close(None), hurry=lambda: None)
        broker = Broker(Wiring(partial(_listen, private), private, secrets, session))
        if session is not None:
            session.take = partial(broker.take_stream, otherwise=None)
        over_tls = is_secured or secrets is not None
        yield Link(handshake, channel, broker, forwarder, session, is_secured=over_tls)


def _credentials(identity: Identity | None, handshake: Handshake) -> Credentials | None:
    if identity is None or handshake.certificate is None:
        return None
    try:
        return credentials(identity, [handshake.certificate])
    except UnusableCertificate as error:
        raise BadCertificate(f"the sixth field of the handshake is no certificate: {error}") from error


async def _session(stack: AsyncExitStack, dial: Dial) -> Session:
    """The one connection that carries all others: a plugin takes no second one."""
    session = Session(client=True)
    try:
        await dial(session)
    except (OSError, TimeoutError, GraftageError) as error:
        raise NotReached(str(error) or "it takes no connection") from error

    async def close() -> None:
        session.close()
        await asyncio.wait({session.ended}, timeout=_CLOSE_SECONDS)

    stack.push_async_callback(close)
    return session


class _PrivateAddress(NamedTuple):
    """Where the host listens for its plugin."""

    address: str
    network: str = "unix"

    def remove(self) -> None:
        with suppress(OSError):
            os.unlink(self.address)


def _listen(folder: PrivateFolder, server: Listens) -> _PrivateAddress:
    path = folder.socket()
    server.add_insecure_port(f"unix:{path}")
    return _PrivateAddress(path)
