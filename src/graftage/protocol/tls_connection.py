"""TLS over any connection that asyncio's protocols can carry: a socket, or one stream of many.

The event loop's own TLS works on its own sockets only. This one works on a stream inside another connection
just as well, and alike under every event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from graftage.protocol.forwarding import Dial
from graftage.protocol.tls import checked_name

HANDSHAKE_SECONDS = 10.0  # both processes are on one machine, or close
_READ_BYTES = 256 * 1024


def secured(dial: Dial, context: ssl.SSLContext, *, name: str = "") -> Dial:
    """Connects as `dial` does, with TLS over it. name: what the peer's certificate must be for; empty for
    that of all certificates that are made for one run.
    """

    async def dial_secured(protocol: asyncio.Protocol) -> None:
        connection = TlsConnection(context, protocol, server_side=False, name=name)
        try:
            await dial(connection)
            await connection.established
        except BaseException:
            connection.abort()
            raise

    return dial_secured


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """A protocol to the connection below, a transport to `inner` above.

    inner: is connected when both sides have proved who they are; if they cannot, only its `connection_lost`
    is called, with the reason.
    """

    def __init__(
        self, context: ssl.SSLContext, inner: asyncio.Protocol, *, server_side: bool, name: str = ""
    ) -> None:
        super().__init__()
        self._arrived = ssl.MemoryBIO()
        self._leaving = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._arrived,
            self._leaving,
            server_side=server_side,
            server_hostname=checked_name(server_side, name),
        )
        self._inner = inner
        self._below: asyncio.Transport | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._is_connected = False
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_paused = False
        self._is_closing = False
        self._failure: Exception | None = None

    # What the connection below calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast("asyncio.Transport", transport)
        self._limit = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._is_late)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        self._arrived.write(data)
        if not self._is_connected:
            self._shake_hands()
        if self._is_connected:
            self._hand_on()

    def eof_received(self) -> None:
        """Nothing more comes: whatever the peer meant by that, the connection is over."""

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closing = True
        if not self.established.done():
            self._give_up(self._failure or error or ConnectionResetError("it ended in the TLS handshake"))
        self._inner.connection_lost(self._failure or error)

    def pause_writing(self) -> None:
        if self._is_connected:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._is_connected:
            self._inner.resume_writing()

    # What the protocol above calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.tls.write(rest) :]
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._flush()

    def pause_reading(self) -> None:
        self._is_paused = True
        if self._below is not None:
            self._below.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        self._hand_on()
        if self._below is not None and not self._is_paused and not self._is_closing:
            self._below.resume_reading()

    def is_reading(self) -> bool:
        return not self._is_paused

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        with suppress(ssl.SSLError):  # it waits for the peer's word of farewell; ours is on its way
            self.tls.unwrap()
        self._flush()
        if self._below is not None:
            self._below.close()

    def abort(self) -> None:
        self._is_closing = True
        if self._below is not None:
            self._below.abort()

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size() if self._below is not None else 0

    def _shake_hands(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()
        self._stop_waiting()
        self._is_connected = True
        self._inner.connection_made(self)
        self.established.set_result(None)

    def _hand_on(self) -> None:
        """Give what has arrived to the protocol above, as long as it takes it."""
        while not self._is_paused and not self._is_closing:
            try:
                data = self.tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                self._fail(error)
                return
            if not data:  # the peer's word of farewell; it listens no more
                self._is_closing = True
                if self._below is not None:
                    self._below.close()
                return
            self._inner.data_received(data)
        self._flush()  # TLS itself may have something to answer

    def _flush(self) -> None:
        if self._below is not None and self._leaving.pending:
            self._below.write(self._leaving.read())

    def _fail(self, error: ssl.SSLError) -> None:
        self._failure = error
        self._give_up(error)
        self._is_closing = True
        self._flush()  # the alert that tells the peer why
        if self._below is not None:
            self._below.close()

    def _is_late(self) -> None:
        self._failure = TimeoutError(f"the TLS handshake was not over within {HANDSHAKE_SECONDS:g} s")
        self._give_up(self._failure)
        self.abort()

    def _give_up(self, error: Exception) -> None:
        self._stop_waiting()
        if not self.established.done():
            self.established.set_exception(error)
            self.established.exception()  # nobody has to wait for it

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
