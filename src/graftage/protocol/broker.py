"""Further connections between a host and its plugin, in either direction, known by numbers.

One side accepts a number: it serves gRPC there. The other side dials the number, which it has learnt in some
message of the application. The broker's stream, which the host opens, tells the dialer where to connect; on a
connection of many streams it tells the acceptor whose the next stream is.

Source: hashicorp/go-plugin, grpc_broker.go, internal/grpcmux.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio

from graftage.errors import GraftageError, WireError
from graftage.protocol.broker_state import KEEP_SECONDS, WAIT_SECONDS, Doors, Offers
from graftage.protocol.channel import CHANNEL_OPTIONS, UNLIMITED, server_options, target
from graftage.protocol.conn_info import ConnInfo, decode_conn_info, encode_conn_info
from graftage.protocol.handshake import address_problem
from graftage.protocol.wiring import Wiring

if TYPE_CHECKING:  # a plugin that brokers nothing loads nothing for it
    from graftage.protocol.bridge import Inlet
    from graftage.protocol.forwarding import Dial, Forwarder
    from graftage.protocol.yamux_session import Session
    from graftage.protocol.yamux_stream import YamuxStream

STOP_SECONDS = 0.5  # for the calls to an accepted connection, when it ends
_CONNECT_SECONDS = 2.0
_STREAM_ENDED = "the broker's stream has ended; nothing more is agreed on until there is a new one"
MOST_UNSENT = 1024  # messages that the other side does not read

log = logging.getLogger(__name__)


class BrokerFailed(GraftageError):
    """A further connection could not be agreed on or made."""


class Broker:
    """One side's broker. Its state is that of one stream: when that ends, all that was agreed on it ends.

    wait_seconds: for the other side's offer, or its answer to a knock. keep_seconds: how long an offer that
    nobody takes is kept.
    """

    def __init__(
        self, wiring: Wiring, *, wait_seconds: float = WAIT_SECONDS, keep_seconds: float = KEEP_SECONDS
    ) -> None:
        self._wiring = wiring
        self._wait_seconds = wait_seconds
        self._numbers = itertools.count(1)
        self._offers = Offers(keep_seconds)
        self._doors = Doors()
        self._inlets: dict[int, Inlet] = {}
        self._offered: dict[int, asyncio.Future[ConnInfo]] = {}
        self._answered: dict[int, asyncio.Future[ConnInfo]] = {}
        self._one_dial = asyncio.Lock()
        self._unsent: asyncio.Queue[ConnInfo] = asyncio.Queue(MOST_UNSENT)
        self._stream: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    def next_id(self) -> int:
        """A number of ours that was not used yet. The other side counts for itself."""
        return next(self._numbers)

    @asynccontextmanager
    async def accept(
        self,
        service_id: int,
        handlers: Sequence[grpc.GenericRpcHandler[bytes, bytes]],
        *,
        receive_bytes: int = UNLIMITED,
    ) -> AsyncIterator[None]:
        """Serve gRPC to whoever of the other side dials this number, until the block or the stream ends.

        receive_bytes: the largest request taken. Raises BrokerFailed.
        """
        server = grpc.aio.server(options=server_options(receive_bytes=receive_bytes))
        server.add_generic_rpc_handlers(tuple(handlers))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(server.stop, None)
            info = self._listen(stack, server, service_id)
            await server.start()
            if info is not None:
                self._send(info)
            ending = asyncio.ensure_future(self._end_with_stream(server))
            try:
                yield
                await server.stop(STOP_SECONDS)
            finally:
                ending.cancel()

    @asynccontextmanager
    async def dial(self, service_id: int) -> AsyncIterator[grpc.aio.Channel]:
        """A channel to what the other side serves under this number, closed with the block.

        Raises BrokerFailed when nothing is offered there in time, or it cannot be reached.
        """
        async with AsyncExitStack() as stack:
            channel, forwarder = await self._channel(stack, service_id)
            ready = asyncio.ensure_future(channel.channel_ready())
            failed = asyncio.ensure_future(forwarder.failed.wait() if forwarder else asyncio.Event().wait())
            try:
                await asyncio.wait(
                    {ready, failed},
                    timeout=self._wait_seconds + _CONNECT_SECONDS,  # the other side may have to answer first
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not ready.done():
                    why = (forwarder and forwarder.reason) or "nothing answers there"
                    raise BrokerFailed(f"connection {service_id} cannot be made: {why}")
            finally:
                ready.cancel()
                failed.cancel()
            yield channel

    async def converse(
        self, arriving: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Work over this stream until it ends; all that is agreed on it ends then. It takes the place of one
        that has not ended yet.

        Raises WireError when the other side sends what is no message of a broker.
        """
        before, self._stream = self._stream, asyncio.current_task()
        if before is not None:
            before.cancel()
            await asyncio.wait({before})
        if self._ended.is_set():
            self._ended = asyncio.Event()
        sending = asyncio.ensure_future(self._send_all(send))
        sending.add_done_callback(_note_error)
        try:
            async for message in arriving:
                self._receive(decode_conn_info(message))
        finally:
            sending.cancel()
            self._end()
            if self._stream is asyncio.current_task():
                self._stream = None

    def take_stream(self, stream: YamuxStream, otherwise: Inlet | None) -> None:
        """Give a stream that the other side opened to whom it has knocked for, or else to this inlet."""
        number = self._doors.next_stream(_now())
        inlet = otherwise if number is None else self._inlets.get(number)
        if inlet is None:
            log.debug("the other process opened a stream that nobody waits for; it is refused")
            stream.abort()
        else:
            stream.connect(inlet.connection())

    def _listen(self, stack: AsyncExitStack, server: grpc.aio.Server, service_id: int) -> ConnInfo | None:
        """Make the server be reached under the number; what to tell the other side, if it must know."""
        if self._wiring.credentials is None and self._wiring.session is None:
            address = self._wiring.listen(server)
            stack.callback(address.remove)
            return ConnInfo(service_id, address.network, address.address)
        from graftage.protocol.bridge import Inlet
        from graftage.protocol.socket_listener import SocketListener

        assert self._wiring.folder is not None, "a bridge needs a place for its sockets"
        path = self._wiring.folder.socket()
        server.add_insecure_port(target("unix", path))
        credentials = self._wiring.credentials
        inlet = Inlet(path, credentials.server if credentials else None)
        stack.push_async_callback(inlet.close)
        if self._wiring.session is not None:
            if not self._doors.open(service_id):
                raise BrokerFailed(f"connection {service_id} is accepted already; close that first")
            self._inlets[service_id] = inlet
            stack.callback(self._inlets.pop, service_id)
            stack.callback(self._doors.close, service_id)
            return None
        listener = SocketListener()
        address = self._wiring.listen(listener)
        stack.callback(address.remove)
        stack.push_async_callback(listener.close)
        listener.serve(inlet.connection)
        return ConnInfo(service_id, address.network, address.address)

    async def _channel(
        self, stack: AsyncExitStack, service_id: int
    ) -> tuple[grpc.aio.Channel, Forwarder | None]:
        """A channel to what is offered under the number; the forwarder when there is one between."""
        credentials, session = self._wiring.credentials, self._wiring.session
        if session is None:
            info = await self._offer(service_id)
            if credentials is None:
                channel = grpc.aio.insecure_channel(target(info.network, info.address), CHANNEL_OPTIONS)
                return await stack.enter_async_context(channel), None
        from graftage.protocol.bridge import bridged_channel
        from graftage.protocol.forwarding import dialer
        from graftage.protocol.tls_connection import secured

        if session is None:
            dial = dialer(info.network, info.address)
        else:
            dial = self._stream_dialer(session, service_id)
        if credentials is not None:
            dial = secured(dial, credentials.client)
        assert self._wiring.folder is not None, "a bridge needs a place for its sockets"
        return await stack.enter_async_context(bridged_channel(dial, self._wiring.folder, CHANNEL_OPTIONS))

    def _stream_dialer(self, session: Session, service_id: int) -> Dial:
        async def dial(protocol: asyncio.Protocol) -> None:
            async with self._one_dial:
                self._send(ConnInfo(service_id, knock=True))
                answer = await self._await(self._answered, service_id, "answered the knock for")
                if answer.error:
                    raise BrokerFailed(f"the other process refuses connection {service_id}: {answer.error}")
                session.open(protocol)

        return dial

    async def _offer(self, service_id: int) -> ConnInfo:
        info = self._offers.take(service_id, _now())
        if info is None:
            info = await self._await(self._offered, service_id, "offered")
        if problem := address_problem(info.network, info.address):
            raise BrokerFailed(f"connection {service_id} is offered where it cannot be reached: {problem}")
        return info

    async def _await(
        self, awaited: dict[int, asyncio.Future[ConnInfo]], service_id: int, what: str
    ) -> ConnInfo:
        if self._ended.is_set():
            raise BrokerFailed(_STREAM_ENDED)
        if service_id in awaited:
            raise BrokerFailed(f"connection {service_id} is being dialled already")
        future = awaited[service_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._wait_seconds):
                info: ConnInfo = await future
                return info
        except TimeoutError:
            raise BrokerFailed(
                f"the other process has not {what} connection {service_id} within {self._wait_seconds:g} s; "
                "has it accepted that number?"
            ) from None
        finally:
            del awaited[service_id]

    def _receive(self, info: ConnInfo) -> None:
        if info.knock and not info.ack:
            self._send(self._doors.knock(info, _now()))
            return
        awaited = (self._answered if info.knock else self._offered).get(info.service_id)
        if awaited is not None and not awaited.done():
            awaited.set_result(info)
        elif not info.knock and not self._offers.add(info, _now()):
            log.debug("an offer of connection %d is dropped: there is one already", info.service_id)

    def _send(self, info: ConnInfo) -> None:
        try:
            self._unsent.put_nowait(info)
        except asyncio.QueueFull:
            raise WireError("the other process does not read what its broker is told") from None

    async def _send_all(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        while True:
            await send(encode_conn_info(await self._unsent.get()))

    async def _end_with_stream(self, server: grpc.aio.Server) -> None:
        await self._ended.wait()
        await server.stop(STOP_SECONDS)

    def _end(self) -> None:
        self._ended.set()
        self._offers.clear()
        self._unsent = asyncio.Queue(MOST_UNSENT)
        for future in (*self._offered.values(), *self._answered.values()):
            if not future.done():
                future.set_exception(BrokerFailed(_STREAM_ENDED))


def _note_error(sending: asyncio.Task[None]) -> None:
    """A stream that takes no more messages ends soon, and its reader says why."""
    if not sending.cancelled() and (error := sending.exception()):
        log.debug("the broker's stream takes no more messages: %s", error)


def _now() -> float:
    return asyncio.get_running_loop().time()
