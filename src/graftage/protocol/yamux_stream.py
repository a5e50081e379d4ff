"""One stream of a yamux session as a transport: what its protocol does not take, the peer cannot send."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graftage.protocol.yamux_session import Session

FULL_BYTES = 64 * 1024  # with so much to send, the protocol is told to pause


class YamuxStream(asyncio.Transport):
    """One stream of a session. What arrives before there is a protocol waits."""

    def __init__(self, session: Session, number: int) -> None:
        super().__init__()
        self._session = session
        self._number = number
        self._protocol: asyncio.Protocol | None = None
        self._arrived: deque[bytes] = deque()
        self._has_end_arrived = False
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_full = False
        self._is_closing = False
        self._is_lost = False

    def connect(self, protocol: asyncio.Protocol) -> None:
        """Give the stream its protocol; of a stream that the peer opened, this accepts it."""
        if self._is_lost:
            protocol.connection_lost(ConnectionResetError("the stream ended before it was taken"))
            return
        self._protocol = protocol
        self._session.multiplexer.accept(self._number)
        self._session.flush()
        protocol.connection_made(self)
        self._hand_on()

    # What the session calls.

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def receive(self, data: bytes) -> None:
        if self._is_closing:
            return  # without new credit the peer stops by itself
        self._arrived.append(data)
        self._hand_on()

    def receive_end(self) -> None:
        self._has_end_arrived = True
        self._hand_on()

    def send_waiting(self) -> None:
        while not self._session.is_full and self.send_one():
            pass

    def send_one(self) -> bool:
        """Send one frame of what waits, if the credit allows; has it?"""
        if not self._waiting:
            return False
        sent = self._session.multiplexer.send(self._number, self._waiting[0])
        if not sent:
            return False
        self._waiting_bytes -= sent
        if sent == len(self._waiting[0]):
            self._waiting.popleft()
        else:
            self._waiting[0] = self._waiting[0][sent:]
        self._session.flush()
        if not self._waiting and self._is_closing:
            self._say_farewell()
        elif self._is_full and self._waiting_bytes <= FULL_BYTES // 4 and self._protocol is not None:
            self._is_full = False
            self._protocol.resume_writing()
        return True

    def lose(self, error: Exception | None) -> None:
        """The stream is over; tell its protocol, unless it knows."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._arrived.clear()
        self._waiting.clear()
        self._waiting_bytes = 0
        self._session.forget(self._number)
        if self._protocol is not None:
            # Not at once: the protocol may be in the middle of something that made the stream end.
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)

    # What the stream's protocol calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        self._waiting.append(memoryview(bytes(data)))
        self._waiting_bytes += len(data)
        self.send_waiting()
        if self._waiting_bytes > FULL_BYTES and not self._is_full and self._protocol is not None:
            self._is_full = True
            self._protocol.pause_writing()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._hand_on()

    def is_reading(self) -> bool:
        return not self._is_paused

    def is_closing(self) -> bool:
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        return self._waiting_bytes

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._arrived.clear()
        if not self._waiting:
            self._say_farewell()

    def abort(self) -> None:
        if not self._is_lost:
            self._session.multiplexer.reset(self._number)
            self._session.flush()
            self.lose(None)

    def _say_farewell(self) -> None:
        self._session.multiplexer.finish(self._number)
        self._session.flush()
        self.lose(None)

    def _hand_on(self) -> None:
        """Give what has arrived to the protocol, as long as it takes it."""
        if self._protocol is None:
            return
        while self._arrived and not self._is_paused and not self._is_closing:
            data = self._arrived.popleft()
            self._protocol.data_received(data)
            self._session.multiplexer.consumed(self._number, len(data))
            self._session.flush()
        is_read = self._has_end_arrived and not self._arrived and not self._is_closing
        if is_read and not self._protocol.eof_received():
            self.close()
