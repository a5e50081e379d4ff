"""Queries to data sources: ``POST /api/tsdb/query``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graftage.backend.context import DataSourceSettings
from graftage.backend.query import Result
from graftage.query.execute import Answer, Ask, execute
from graftage.query.plan import plan
from graftage.query.tsdb_json import encode_answer
from graftage.server.answers import FROM_HANDLER, json_answer
from graftage.server.body import Model, flag, items, read_body, text
from graftage.server.departure import WhileConnected
from graftage.server.routing import Route

METRIC_REQUEST: Final = Model("dtos.MetricRequest", text("from"), text("to"), items("queries"), flag("debug"))

# Writing so much takes one or two milliseconds. Another thread would keep the event loop free for that time,
# and take it back in waiting for the interpreter's lock.
SMALL_ANSWER: Final = 20_000


def routes(
    *,
    ask: Ask,
    data_source: Callable[[int], DataSourceSettings | None],
    query_seconds: float,
    body_limit: int,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Route]:
    """ask: one call to one plugin. query_seconds: how long a plugin may take. body_limit: in bytes."""

    async def query_data(request: Request) -> Response:
        """POST /api/tsdb/query"""
        body = await read_body(request, METRIC_REQUEST, limit=body_limit)
        requests = plan(body["from"], body["to"], body["queries"], data_source=data_source, now=clock())
        with WhileConnected(request.receive):
            answer = await execute(requests, ask=ask, timeout=query_seconds)
            return await _encoded(answer)

    return [Route("/api/tsdb/query", {"POST": query_data})]


async def _encoded(answer: Answer) -> Response:
    if _weight(answer.results) <= SMALL_ANSWER:
        chunks = encode_answer(answer.results, message=answer.message)
        return json_answer(b"".join(chunks), answer.status)
    chunks = await asyncio.to_thread(encode_answer, answer.results, message=answer.message)
    return _Chunks(chunks, answer.status)


def _weight(results: Mapping[str, Result]) -> int:
    """How long writing an answer takes: values, rows, names and characters count as one each."""
    return sum(
        1
        + len(result.error)
        + len(result.meta_json)
        + sum(
            1 + len(series.name) + len(series) + _length(series.labels.values()) for series in result.series
        )
        + sum(len(table) + len(table.kinds) + _length(table.columns) for table in result.tables)
        + sum(_length(table.texts) + _length(table.blobs) for table in result.tables)
        for result in results.values()
    )


def _length(texts: Iterable[str | bytes]) -> int:
    """Of all these together; an empty one counts as well."""
    return sum(1 + len(text) for text in texts)


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
