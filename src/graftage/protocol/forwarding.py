"""Carrying the bytes of one connection over another, both ways, until either ends.

gRPC wants sockets of its own and knows neither our TLS nor streams inside a connection. So it gets a socket
that nobody else can reach, and each connection there is carried on to where it belongs.

Nothing is copied between buffers and nothing piles up: what one side reads the other writes at once, and who
cannot write any more stops the other from reading.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import cast

from graftage.errors import GraftageError
from graftage.protocol.handshake import address_problem

CONNECT_SECONDS = 10.0

log = logging.getLogger(__name__)

# Makes a connection for the protocol it is given, and returns when the protocol is connected. Raises OSError,
# TimeoutError or a GraftageError.
Dial = Callable[[asyncio.Protocol], Awaitable[None]]


def dialer(network: str, address: str) -> Dial:
    """Connects to an address as a handshake spells it. Raises GraftageError for one that cannot be."""
    if problem := address_problem(network, address):
        raise GraftageError(f"nothing can be reached at {address!r}: {problem}")

    async def dial(protocol: asyncio.Protocol) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await (_dial_unix if network == "unix" else _dial_tcp)(address, protocol)
        except TimeoutError:
            raise TimeoutError(f"{address} took no connection within {CONNECT_SECONDS:g} s") from None

    return dial


async def _dial_unix(address: str, protocol: asyncio.Protocol) -> None:
    loop = asyncio.get_running_loop()
    path = "\0" + address[1:] if address.startswith("@") else address
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        # Not by path: uvloop takes the name of an abstract socket for an empty one.
        await loop.sock_connect(connection, path)
        await loop.create_unix_connection(lambda: protocol, sock=connection)
    except BaseException:
        connection.close()
        raise


async def _dial_tcp(address: str, protocol: asyncio.Protocol) -> None:
    host, _, port = address.rpartition(":")
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: protocol, host.strip("[]") or "127.0.0.1", int(port)
    )
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class Forwarder:
    """Carries every connection that comes in on to one that `dial` makes for it.

    failed: set, with the reason in `reason`, as soon as a connection could not be made or broke.
    """

    def __init__(self, dial: Dial) -> None:
        self.failed = asyncio.Event()
        self.reason = ""
        self._dial = dial
        self._ends: set[_End] = set()
        self._dialling: set[asyncio.Task[None]] = set()

    def incoming(self) -> asyncio.Protocol:
        """The protocol for a connection that comes in."""
        return _End(self._begin, self._end)

    async def close(self) -> None:
        """End everything that is carried, now."""
        for task in self._dialling:
            task.cancel()
        for end in tuple(self._ends):
            end.abort()
        if self._dialling:
            await asyncio.wait(self._dialling)

    def fail(self, reason: str) -> None:
        """Note why a connection could not be made or broke."""
        log.debug("a connection is not carried on: %s", reason)
        self.reason = reason
        self.failed.set()

    def _begin(self, near: _End) -> None:
        self._ends.add(near)
        task = asyncio.ensure_future(self._carry(near))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    def _end(self, end: _End, error: Exception | None) -> None:
        self._ends.discard(end)
        if error is not None:
            self.fail(_words(error))

    async def _carry(self, near: _End) -> None:
        far = _End(self._ends.add, self._end)
        try:
            await self._dial(far)
            join(near, far)
        except (OSError, TimeoutError, GraftageError) as error:
            self.fail(_words(error))
        finally:
            if not far.is_joined:
                far.abort()
                near.abort()


class _End(asyncio.Protocol):
    """One of two connections. What it reads is written to the other; what comes before there is one waits."""

    def __init__(self, begin: Callable[[_End], None], end: Callable[[_End, Exception | None], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_over = False
        self.is_full = False
        self._begin = begin
        self._end = end
        self._other: asyncio.Transport | None = None
        self._early = b""

    @property
    def is_joined(self) -> bool:
        return self._other is not None

    def carry_to(self, other: asyncio.Transport) -> None:
        """Write what is read to this connection, from now on."""
        self._other = other
        if self._early:
            other.write(self._early)
            self._early = b""

    def abort(self) -> None:
        """End the connection, now; also one that is not made yet."""
        self.is_over = True
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.is_over:
            self.transport.abort()
        self._begin(self)

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)
        elif self.transport is not None:
            self._early += data
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """HTTP/2 knows no half of a connection: it ends when one side does."""

    def pause_writing(self) -> None:
        self.is_full = True
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        self.is_full = False
        if self._other is not None:
            self._other.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True
        if self._other is not None:
            self._other.close()
        self._end(self, error)


def join(near: _End, far: _End) -> None:
    """Carry between the two from now on. Raises ConnectionResetError if one is over already."""
    if near.transport is None or far.transport is None or near.is_over or far.is_over:
        raise ConnectionResetError("the connection ended before it could be carried on")
    near.carry_to(far.transport)
    far.carry_to(near.transport)
    if not far.is_full:
        near.transport.resume_reading()
    if not near.is_full:
        far.transport.resume_reading()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
