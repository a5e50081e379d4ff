"""uvicorn's WebSockets, with an end that even a client that reads nothing cannot put off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

# For a client to read what was already sent and why the connection is closed.
CLOSING_SECONDS: Final = 5.0

# Grafana's `message_size_limit`, in conf/defaults.ini, section `live`.
MESSAGE_LIMIT: Final = 64 * 1024


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(CLOSING_SECONDS, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            # It would wait for the client to read, and is only a few bytes more in the buffer.
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # Else uvicorn's log blames a refusal on an application that forgot to answer.
            self.handshake_complete = True
