"""A channel as server-sent events, for people with curl and for whatever has no WebSocket.

    data: {"schema":{…},"data":{…}}

    data: {"data":{…}}

    event: failure
    data: {"message":"…"}

Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graftage.backend.context import User
from graftage.server.answers import Refused
from graftage.server.departure import WhileConnected
from graftage.server.live.outbox import Outbox
from graftage.server.live.refusal import HTTP_STATUS, Refusal
from graftage.server.live.streams import Streams, Subscription

EVENTS: Final = "text/event-stream"

# A comment after so many silent seconds: nothing else would tell of a client that has vanished.
COMMENT_SECONDS: Final = 25.0
_COMMENT: Final = ":\n\n"


class _Listener:
    """Whoever reads a channel as events. is_over: set when there is nothing more to wait for."""

    def __init__(self, streams: Streams) -> None:
        self.outbox = Outbox(streams.options.queue, self._give_up)
        self.is_over = asyncio.Event()
        self.is_too_slow = False

    def pass_on(self, text: str) -> None:
        self.outbox.put("data: ", text, "\n\n")

    def tell_failure(self, text: str) -> None:
        self.outbox.put("event: failure\ndata: ", json.dumps({"message": text}), "\n\n")

    def dismiss(self) -> None:
        self.is_over.set()

    def _give_up(self) -> None:
        self.is_too_slow = True
        self.is_over.set()


async def open_events(channel: str, streams: Streams, user: User | None) -> Response:
    """The events of a channel, as an answer that lasts. Raises Refused."""
    listener = _Listener(streams)
    subscription = await streams.subscribe(channel, b"", user, listener)
    if isinstance(subscription, Refusal):
        status = HTTP_STATUS.get(subscription.code, subscription.code)
        raise Refused(status, subscription.reason or subscription.message)
    for text in subscription.opening:
        listener.pass_on(text)
    return _Events(listener, subscription, streams)


class _Events(Response):
    """Lasts until the client leaves or is too slow, or the channel or the server comes to an end."""

    media_type = EVENTS

    def __init__(self, listener: _Listener, subscription: Subscription, streams: Streams) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._listener = listener
        self._subscription = subscription
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        over = asyncio.ensure_future(self._listener.is_over.wait())
        sending = asyncio.create_task(self._send(send))
        try:
            with WhileConnected(receive), self._streams.present(self._listener.dismiss):
                await asyncio.wait({over, sending}, return_when=asyncio.FIRST_COMPLETED)
        except ClientDisconnect:
            return
        finally:
            self._subscription.leave()
            over.cancel()
            sending.cancel()
            await asyncio.gather(over, sending, return_exceptions=True)
        # One that was too slow has missed something: its answer is broken off, not passed off as whole.
        if not self._listener.is_too_slow:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while True:
            try:
                async with asyncio.timeout(COMMENT_SECONDS):
                    lines = await self._listener.outbox.take()
            except TimeoutError:
                lines = [_COMMENT]
            body = "".join(lines).encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
