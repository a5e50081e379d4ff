"""Queries to data sources: ``POST /api/tsdb/query``, and ``POST /api/ds/query`` in both of its forms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from graftage.backend.context import DataSourceSettings, User
from graftage.backend.query import QueryRequest, Result
from graftage.query.execute import Answer, Ask, execute
from graftage.query.frames_json import FramesResult, encode_frames_answer, frames_results
from graftage.query.plan import Asked, DataSources, names_by_uid, plan, plan_by_id, plan_by_uid
from graftage.query.tsdb_json import encode_answer
from graftage.server.body import Model, flag, items, read_body, text
from graftage.server.call_headers import call_headers
from graftage.server.cookies import cookies_to_keep
from graftage.server.departure import WhileConnected
from graftage.server.long_answer import SMALL_ANSWER, written_answer
from graftage.server.routing import Route

METRIC_REQUEST: Final = Model("dtos.MetricRequest", text("from"), text("to"), items("queries"), flag("debug"))

# What takes as long as so many values, to be read and written.
_RESULT_WEIGHT: Final = 50
_FIELD_WEIGHT: Final = 10


class Plan(Protocol):
    """Makes of a request the calls that it takes; one of the functions of `query.plan`."""

    def __call__(self, asked: Asked, *, sources: DataSources, now: datetime) -> tuple[QueryRequest, ...]: ...


def routes(
    *,
    ask: Ask,
    sources: DataSources,
    caller: Callable[[Request], User | None],
    query_seconds: float,
    body_limit: int,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Route]:
    """Both routes.

    ask: one call to one plugin. caller: who sends a request. query_seconds: how long a plugin may take.
    body_limit: in bytes.
    """

    async def query_data(request: Request) -> Response:
        """POST /api/tsdb/query"""
        asked = await _asked(request)
        with WhileConnected(request.receive):
            return await _shown_as_series(await _answer(asked, plan))

    async def query_data_sources(request: Request) -> Response:
        """POST /api/ds/query"""
        asked = await _asked(request)
        with WhileConnected(request.receive):
            if names_by_uid(asked.queries):
                return await _shown_as_frames(await _answer(asked, plan_by_uid))
            return await _shown_as_series(await _answer(asked, plan_by_id), end=b"\n")

    async def _asked(request: Request) -> Asked:
        body = await read_body(request, METRIC_REQUEST, limit=body_limit)

        def headers(source: DataSourceSettings) -> dict[str, str]:
            return call_headers(request.headers.items(), cookies=cookies_to_keep(source.json))

        return Asked(body["from"], body["to"], body["queries"], caller(request), headers)

    async def _answer(asked: Asked, planned: Plan) -> Answer:
        requests = planned(asked, sources=sources, now=clock())
        return await execute(requests, ask=ask, timeout=query_seconds)

    return [
        Route("/api/tsdb/query", {"POST": query_data}),
        Route("/api/ds/query", {"POST": query_data_sources}),
    ]


async def _shown_as_series(answer: Answer, *, end: bytes = b"") -> Response:
    def write() -> list[bytes]:
        return [*encode_answer(answer.results, message=answer.message), end]

    return await written_answer(write, weight=_weight(answer.results), status=answer.status)


async def _shown_as_frames(answer: Answer) -> Response:
    weight = _weight(answer.results)
    results = await _read_frames(list(answer.results.values()), weight)
    status, message = answer.status, answer.message
    if status == 200 and (errors := {one.ref_id: one.error for one in results if one.error}):
        status, message = 400, errors[min(errors)]  # of frames that cannot be read
    values = sum(
        (_FIELD_WEIGHT + len(frame)) * len(frame.fields) for result in results for frame in result.frames
    )
    return await written_answer(
        lambda: encode_frames_answer(results, message=message), weight=weight + values, status=status
    )


async def _read_frames(results: Sequence[Result], weight: int) -> list[FramesResult]:
    if weight <= SMALL_ANSWER:
        return frames_results(results)
    return await asyncio.to_thread(frames_results, results)


def _weight(results: Mapping[str, Result]) -> int:
    """How long writing an answer takes: values, rows, names and characters count as one each."""
    return sum(
        _RESULT_WEIGHT
        + len(result.error)
        + len(result.meta_json)
        + sum(
            1 + len(series.name) + len(series) + _length(series.labels.values()) for series in result.series
        )
        + sum(len(table) + len(table.kinds) + _length(table.columns) for table in result.tables)
        + sum(_length(table.texts) + _length(table.blobs) for table in result.tables)
        + _length(result.arrow or ()) // 8  # put in base64, or mostly numbers of eight bytes
        for result in results.values()
    )


def _length(texts: Iterable[str | bytes]) -> int:
    """Of all these together; an empty one counts as well."""
    return sum(1 + len(text) for text in texts)
