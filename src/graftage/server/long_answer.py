"""Answers that are too long to be written between two requests, or to be held twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graftage.server.answers import FROM_HANDLER, json_answer

# Writing so much takes one or two milliseconds. Another thread would keep the event loop free for that time,
# and take it back in waiting for the interpreter's lock.
SMALL_ANSWER: Final = 20_000


async def written_answer(write: Callable[[], list[bytes]], *, weight: int, status: int) -> Response:
    """JSON in chunks. weight: how long `write` takes; the values, rows and characters to be written.

    What is more than SMALL_ANSWER is written in another thread and sent chunk by chunk.
    """
    if weight <= SMALL_ANSWER:
        return json_answer(b"".join(write()), status)
    return _Chunks(await asyncio.to_thread(write), status)


class _Chunks(Response):
    """A long answer, sent and let go of piece by piece, of a length that the client is told."""

    media_type = FROM_HANDLER

    def __init__(self, chunks: list[bytes], status: int) -> None:
        super().__init__(status_code=status)
        self._chunks = chunks
        self.headers["content-length"] = str(sum(map(len, chunks)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for chunk in self._let_go():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _let_go(self) -> Iterator[bytes]:
        self._chunks.reverse()
        while self._chunks:
            yield self._chunks.pop()
