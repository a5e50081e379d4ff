"""Many streams in one connection, as yamux does it: what each frame means. No input or output here.

A `Multiplexer` takes the bytes that arrive and says what happened; what it has to answer is in `leaving`. It
keeps no payload: who gets `DataArrived` holds the data, and says when it is consumed. The peer can send no
more than its credit, 256 KiB for each stream, before that.

Source: hashicorp/yamux, spec.md, session.go, stream.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graftage.protocol.yamux_frames import (
    HEADER_BYTES,
    Flag,
    Header,
    Kind,
    Reason,
    YamuxError,
    decode_header,
    encode_header,
)

WINDOW = 256 * 1024  # bytes of credit that each direction of a new stream has
BACKLOG = 256  # streams that the peer may open before any of them is taken
STREAMS = 1024  # of the peer's at a time; more would be a flood
LARGEST_FRAME = 64 * 1024  # of ours, so that streams take turns
_LARGEST_CREDIT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream: `accept` or `reset` it."""

    stream: int


@dataclass(frozen=True, slots=True)
class DataArrived:
    """Data of a stream: `consumed` gives the credit back."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CreditArrived:
    """More can be sent on a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The peer sends nothing more on a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream is over, whatever was on its way."""

    stream: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer wants no new streams, or has given up on the connection."""

    reason: int


Event = Opened | DataArrived | CreditArrived | Finished | Reset | GoneAway


@dataclass(slots=True)
class _Stream:
    """The credits: bytes that we may send and receive. owed: consumed, and not given back yet."""

    accepted: bool
    send_credit: int = WINDOW
    receive_credit: int = WINDOW
    owed: int = 0
    finished_here: bool = False
    finished_there: bool = False


class Multiplexer:
    """One end of a connection. client: the end that made it."""

    def __init__(self, *, client: bool) -> None:
        self.leaving = bytearray()  # frames to send, to be taken by the owner
        self._next = 1 if client else 2
        self._peers_parity = 0 if client else 1
        self._streams: dict[int, _Stream] = {}
        self._untaken = 0  # streams of the peer that are neither accepted nor reset
        self._peers_streams = 0
        self._head = bytearray()
        self._into = 0  # the stream of the data frame that is arriving
        self._left = 0  # bytes of it that are still to come
        self._then_finish = False
        self._gone_away = False

    def open(self) -> int:
        """A new stream of ours; data may be sent at once. Raises YamuxError when the peer wants none."""
        if self._gone_away:
            raise YamuxError("the other process takes no new streams on this connection")
        stream, self._next = self._next, self._next + 2
        self._streams[stream] = _Stream(accepted=True)
        self._put(Kind.WINDOW_UPDATE, Flag.SYN, stream)
        return stream

    def accept(self, stream: int) -> None:
        """Take a stream that the peer opened. Nothing happens if it is over already."""
        state = self._streams.get(stream)
        if state is not None and not state.accepted:
            state.accepted = True
            self._untaken -= 1
            self._put(Kind.WINDOW_UPDATE, Flag.ACK, stream)

    def send(self, stream: int, data: memoryview) -> int:
        """Send of `data` what one frame and the credit allow; returns how much that is, or 0."""
        state = self._streams.get(stream)
        if state is None or state.finished_here:
            return 0
        size = min(len(data), state.send_credit, LARGEST_FRAME)
        if size:
            state.send_credit -= size
            self._put(Kind.DATA, Flag(0), stream, size)
            self.leaving += data[:size]
        return size

    def consumed(self, stream: int, size: int) -> None:
        """So many bytes that arrived take no room any more: half a window of them is worth a frame."""
        state = self._streams.get(stream)
        if state is None or state.finished_there:
            return
        state.owed += size
        if state.owed >= WINDOW // 2:
            self._put(Kind.WINDOW_UPDATE, Flag(0), stream, state.owed)
            state.receive_credit += state.owed
            state.owed = 0

    def finish(self, stream: int) -> None:
        """Send nothing more on a stream."""
        state = self._streams.get(stream)
        if state is not None and not state.finished_here:
            state.finished_here = True
            self._put(Kind.WINDOW_UPDATE, Flag.FIN, stream)
            self._forget_finished(stream, state)

    def reset(self, stream: int) -> None:
        """End a stream at once, or refuse it."""
        if stream in self._streams:
            self._forget(stream)
            self._put(Kind.WINDOW_UPDATE, Flag.RST, stream)

    def go_away(self, reason: Reason) -> None:
        """Tell the peer that the connection ends."""
        self._put(Kind.GO_AWAY, Flag(0), 0, reason)

    def receive(self, data: bytes) -> Iterator[Event]:
        """What these bytes mean, in order; read it to the end. Raises YamuxError: the connection is over."""
        view, at = memoryview(data), 0
        while at < len(view):
            if self._left:
                piece = bytes(view[at : at + self._left])
                at += len(piece)
                yield from self._payload(piece)
                continue
            missing = HEADER_BYTES - len(self._head)
            self._head += view[at : at + missing]
            at += missing
            if len(self._head) == HEADER_BYTES:
                header = decode_header(self._head)
                self._head.clear()
                yield from self._frame(header)

    def _frame(self, header: Header) -> Iterator[Event]:
        match header.kind:
            case Kind.DATA | Kind.WINDOW_UPDATE:
                yield from self._stream_frame(header)
            case Kind.PING:
                if header.flags & Flag.SYN:
                    self._put(Kind.PING, Flag.ACK, 0, header.length)
            case Kind.GO_AWAY:
                self._gone_away = True
                yield GoneAway(header.length)

    def _stream_frame(self, header: Header) -> Iterator[Event]:
        kind, flags, stream, length = header
        if flags & Flag.SYN and self._admit(stream):
            yield Opened(stream)
        state = self._streams.get(stream)
        if kind == Kind.DATA:
            self._expect(stream, state, length)
        if state is None:
            return  # of a stream that is over, more may have been on its way
        if flags & Flag.RST:
            self._forget(stream)
            yield Reset(stream)
        elif flags & Flag.FIN:
            if state.finished_there:
                raise YamuxError(f"stream {stream} was finished twice")
            if self._left:
                self._then_finish = True
            else:
                yield from self._finished(stream, state)
        if kind == Kind.WINDOW_UPDATE and length and not flags & Flag.RST:
            state.send_credit += length
            if state.send_credit > _LARGEST_CREDIT:
                raise YamuxError(f"the credit of stream {stream} grew beyond all bounds")
            yield CreditArrived(stream)

    def _admit(self, stream: int) -> bool:
        """Take note of a stream that the peer opens; false if it is refused."""
        if stream == 0 or stream % 2 != self._peers_parity or stream in self._streams:
            raise YamuxError(f"the other process opened stream {stream}, which is not its to open")
        if self._untaken >= BACKLOG or self._peers_streams >= STREAMS:
            self._put(Kind.WINDOW_UPDATE, Flag.RST, stream)
            return False
        self._streams[stream] = _Stream(accepted=False)
        self._untaken += 1
        self._peers_streams += 1
        return True

    def _expect(self, stream: int, state: _Stream | None, length: int) -> None:
        """A data frame begins. Of a stream that nobody knows, the payload is passed over."""
        self._into, self._left = stream, length
        if state is None or not length:
            return
        if state.finished_there:
            raise YamuxError(f"data arrived for stream {stream} after its end")
        if length > state.receive_credit:
            raise YamuxError(
                f"stream {stream} got {length} bytes, of which its credit allows {state.receive_credit}"
            )
        state.receive_credit -= length

    def _payload(self, piece: bytes) -> Iterator[Event]:
        self._left -= len(piece)
        state = self._streams.get(self._into)
        if state is not None:
            yield DataArrived(self._into, piece)
        if not self._left and self._then_finish:
            self._then_finish = False
            if state is not None:
                yield from self._finished(self._into, state)

    def _finished(self, stream: int, state: _Stream) -> Iterator[Event]:
        state.finished_there = True
        self._forget_finished(stream, state)
        yield Finished(stream)

    def _forget_finished(self, stream: int, state: _Stream) -> None:
        if state.finished_here and state.finished_there:
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        state = self._streams.pop(stream)
        if stream % 2 == self._peers_parity:
            self._peers_streams -= 1
            if not state.accepted:
                self._untaken -= 1

    def _put(self, kind: Kind, flags: Flag, stream: int, length: int = 0) -> None:
        self.leaving += encode_header(Header(kind, flags, stream, length))
