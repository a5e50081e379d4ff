"""Yamux on a real connection: each stream is a transport for a protocol of its own.

Bounded in memory, whatever the peer does: what a stream's protocol does not take is held back by the stream's
credit, what the connection does not take waits in streams whose protocols are told to pause, and a peer that
makes us answer without ever reading the answers is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import cast

from graftage.protocol.forwarding import Dial
from graftage.protocol.yamux import (
    CreditArrived,
    DataArrived,
    Event,
    Finished,
    GoneAway,
    Multiplexer,
    Opened,
    Reset,
)
from graftage.protocol.yamux_frames import HEADER_BYTES, Reason, YamuxError
from graftage.protocol.yamux_stream import YamuxStream

FAREWELL_SECONDS = 0.2  # for the peer to read the last frames
LONGEST_ANSWERS = 1024 * 1024  # of frames that the peer does not read

log = logging.getLogger(__name__)


class Session(asyncio.Protocol):
    """The protocol of a connection that carries streams.

    client: did we make the connection. take: gets each stream that the peer opens, and connects or aborts it,
    then or later; until it is set, all are refused. ended: done when the connection is over, with the reason.
    """

    def __init__(self, *, client: bool) -> None:
        loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.is_full = False
        self.take: Callable[[YamuxStream], None] = YamuxStream.abort
        self._multiplexer = Multiplexer(client=client)
        self._streams: dict[int, YamuxStream] = {}
        self._below: asyncio.Transport | None = None
        self._reason = ""
        self._start = b""  # of what arrived: as much as the first frame has at least

    def open(self, protocol: asyncio.Protocol) -> YamuxStream:
        """A new stream with this protocol. Raises ConnectionResetError or YamuxError if there can be none."""
        if self._below is None or self.ended.done() or self._below.is_closing():
            raise ConnectionResetError(self._reason or self._why_lost(None))
        stream = self._add(self._multiplexer.open())
        stream.connect(protocol)
        self.flush()
        return stream

    def dial(self) -> Dial:
        """Connects by opening a stream."""

        async def dial(protocol: asyncio.Protocol) -> None:
            self.open(protocol)

        return dial

    def close(self) -> None:
        """End the connection and all streams, now."""
        if self._below is not None and not self._below.is_closing():
            self._multiplexer.go_away(Reason.NORMAL)
            self._end("it was closed on this side")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast("asyncio.Transport", transport)
        self.connected.set_result(None)

    def data_received(self, data: bytes) -> None:
        if (missing := HEADER_BYTES - len(self._start)) > 0:
            self._start += data[:missing]
        try:
            for event in self._multiplexer.receive(data):
                self._handle(event)
        except YamuxError as error:
            self._multiplexer.go_away(Reason.PROTOCOL_ERROR)
            self._end(str(error))
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        reason = self._reason = self._reason or self._why_lost(error)
        for stream in tuple(self._streams.values()):
            stream.lose(ConnectionResetError(reason))
        self._streams.clear()
        if not self.ended.done():
            self.ended.set_result(reason)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        waiting = deque(stream for stream in self._streams.values() if stream.is_waiting)
        while waiting and not self.is_full:  # in turns, one frame each
            stream = waiting.popleft()
            if stream.send_one() and stream.is_waiting:
                waiting.append(stream)

    @property
    def multiplexer(self) -> Multiplexer:
        return self._multiplexer

    def flush(self) -> None:
        """Send what the rules of yamux have made us say."""
        leaving = self._multiplexer.leaving
        if not leaving or self._below is None or self._below.is_closing():
            leaving.clear()
            return
        self._below.write(bytes(leaving))
        leaving.clear()
        if self._below.get_write_buffer_size() > LONGEST_ANSWERS:
            self._end("the other process asks and asks, and reads no answer")
            self._below.abort()

    def forget(self, stream: int) -> None:
        """A stream is over."""
        self._streams.pop(stream, None)

    def _why_lost(self, error: Exception | None) -> str:
        words = str(error or "") or "the other process closed it"
        if len(self._start) >= HEADER_BYTES:
            return words
        arrived = f"only {self._start!r}" if self._start else "nothing"
        return (
            f"expected frames of yamux, but {arrived} arrived before the connection ended ({words}); "
            "does the other process speak yamux, as it said?"
        )

    def _add(self, number: int) -> YamuxStream:
        stream = self._streams[number] = YamuxStream(self, number)
        return stream

    def _handle(self, event: Event) -> None:
        match event:
            case Opened(number):
                self.take(self._add(number))
                return
            case GoneAway(reason):
                log.debug("the other process takes no new streams", extra={"reason": reason})
                if reason != Reason.NORMAL:
                    self._end(f"the other process gave up on the connection (go away, reason {reason})")
                return
        stream = self._streams.get(event.stream)
        if stream is None:
            return
        match event:
            case DataArrived(_, data):
                stream.receive(data)
            case CreditArrived():
                stream.send_waiting()
            case Finished():
                stream.receive_end()
            case Reset():
                stream.lose(ConnectionResetError("the other process reset the stream"))

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._hang_up()

    def _hang_up(self) -> None:
        """Close the connection when all is sent, or a little later: the peer may never read it."""
        if self._below is not None:
            self.flush()
            self._below.close()
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._below.abort)
