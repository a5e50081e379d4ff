"""Queries of version 2: every kind of handler, whole and in pieces, and what a query knows of its call."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, PluginContext, User
from graftage.backend.frames import frames_of
from graftage.backend.query import Chunk, QueryRequest, Result, TimeRange
from graftage.backend.query import Query as AskedQuery
from graftage.backend.secrets import Secrets
from graftage.data.arrow.reader import read_arrow
from graftage.data.intake import frame_from
from graftage.errors import PluginFault
from graftage.sdk.context import current
from graftage.sdk.data_source import DataSource, query_type
from graftage.sdk.dispatch import Dispatcher
from graftage.sdk.errors import DownstreamError
from graftage.sdk.handlers import FunctionSource, handlers_of
from graftage.sdk.metrics import Metrics
from graftage.sdk.query import Queries, Query
from graftage.sdk.runtime import Runtime
from support.wait import eventually_async

SOURCE = DataSourceSettings(
    7, 1, "weather", "acme", uid="u", updated_ms=1, secrets=Secrets({"token": "hush-hush"})
)
CONTEXT = PluginContext(1, "acme", data_source=SOURCE, user_agent="Grafana/12.0.0 (linux; amd64)")


def request(
    *queries: AskedQuery | str, context: PluginContext = CONTEXT, headers: Mapping[str, str] | None = None
) -> QueryRequest:
    asked = tuple(
        AskedQuery(query, query_type=query) if isinstance(query, str) else query for query in queries
    )
    return QueryRequest(TimeRange(1_000, 61_000), context, asked, headers or {})


@asynccontextmanager
async def desk(target: object, metrics: Metrics | None = None) -> AsyncIterator[Dispatcher]:
    runtime = Runtime(target, metrics=metrics or Metrics(), environment={})
    try:
        yield Dispatcher(runtime)
    finally:
        await runtime.close(timeout=1)


async def ask(target: object, asked: QueryRequest) -> dict[str, Result]:
    async with desk(target) as dispatcher:
        return {result.ref_id: result for result in await dispatcher.answer(asked, version=2)}


async def ask_in_pieces(target: object, asked: QueryRequest) -> dict[str, list[Chunk]]:
    chunks: dict[str, list[Chunk]] = {}

    async def send(chunk: Chunk) -> None:
        chunks.setdefault(chunk.ref_id, []).append(chunk)

    async with desk(target) as dispatcher:
        await dispatcher.answer_in_pieces(asked, send)
    return chunks


class Every(DataSource):
    """A handler of every kind; each counts to three."""

    @query_type("async")
    async def answer_async(self, query: Any) -> Any:
        return {"n": [1, 2, 3]}

    @query_type("def")
    def answer_plain(self, query: Any) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        return [{"n": 1}, {"n": 2}, {"n": 3}]

    @query_type("async generator")
    async def generate_async(self, query: Any) -> AsyncIterator[Any]:
        yield {"n": [1]}
        yield {"n": [2, 3]}

    @query_type("generator")
    def generate(self, query: Any) -> Iterator[Any]:
        assert threading.current_thread() is not threading.main_thread()
        yield {"n": [1, 2]}
        yield {"n": [3]}

    @query_type("awaitable of generator")
    async def hand_on(self, query: Any) -> Any:
        return self.generate(query)

    @query_type("plain to async generator")
    def hand_back(self, query: Any) -> Any:
        return self.generate_async(query)


KINDS = sorted(handlers_of(Every).by_type)


async def test_every_kind_of_handler_gives_the_same_frame() -> None:
    results = await ask(Every, request(*KINDS))

    for kind in KINDS:
        assert results[kind].error == ""
        (frame,) = frames_of(results[kind])
        assert (frame.ref_id, frame.fields[0].values.tolist()) == (kind, [1, 2, 3]), kind


async def test_every_kind_of_handler_gives_the_same_rows_in_pieces() -> None:
    chunks = await ask_in_pieces(Every, request(*KINDS))

    for kind in KINDS:
        assert {chunk.frame_id for chunk in chunks[kind]} == {"f0"}
        frames = [read_arrow(chunk.arrow or b"") for chunk in chunks[kind]]
        assert [n for frame in frames for n in frame.fields[0].values.tolist()] == [1, 2, 3], kind
        assert len(frames) == (2 if "generator" in kind else 1)


async def test_what_a_plain_function_returns_is_turned_into_frames_in_its_own_thread() -> None:
    class Table:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            assert threading.current_thread() is not threading.main_thread()
            return frame_from({"n": [1]}).__arrow_c_stream__(requested_schema)

    results = await ask(FunctionSource(lambda query: Table()), request("A"))

    assert results["A"].error == ""
    assert frames_of(results["A"])[0].fields[0].values.tolist() == [1]


class Failing(DataSource):
    @query_type("column")
    async def bad_column(self, query: Any) -> Any:
        return {"odd": [object()]}

    @query_type("downstream")
    def down(self, query: Any) -> Any:
        raise DownstreamError("the station is closed", status=503)

    @query_type("midway")
    async def midway(self, query: Any) -> AsyncIterator[Any]:
        yield {"n": [1]}
        raise TimeoutError("too slow")

    @query_type("midway plain")
    def midway_plain(self, query: Any) -> Iterator[Any]:
        yield {"n": [1]}
        raise ConnectionError("token hush-hush refused")

    @query_type("bug")
    def bug(self, query: Any) -> Any:
        return 1 / 0

    @query_type("fine")
    async def fine(self, query: Any) -> Any:
        return {"n": [1]}


FAILURES = {
    "column": ("'odd'", 500, "plugin"),
    "downstream": ("the station is closed", 503, "downstream"),
    "midway": ("too slow", 504, "downstream"),
    "midway plain": ("token *** refused", 502, "downstream"),
    "bug": ("division by zero", 500, "plugin"),
    "unheard": ("no handler for query type 'unheard'", 500, "plugin"),
}


async def test_a_failure_is_that_of_its_own_query_with_status_and_source() -> None:
    results = await ask(Failing, request(*FAILURES, "fine"))

    for kind, (text, status, source) in FAILURES.items():
        assert text in results[kind].error
        assert (results[kind].status, results[kind].error_source) == (status, source), kind
        assert not results[kind].arrow
    assert (results["fine"].status, results["fine"].error, results["fine"].error_source) == (200, "", "")


async def test_a_failure_in_pieces_comes_behind_what_was_sent() -> None:
    chunks = await ask_in_pieces(Failing, request(*FAILURES, "fine"))

    for kind, (text, status, source) in FAILURES.items():
        *before, last = chunks[kind]
        assert text in last.error
        assert (last.status, last.error_source, last.arrow) == (status, source, None)
        assert [chunk.frame_id for chunk in before] == (["f0"] if "midway" in kind else [])
    assert len(chunks["fine"]) == 1


async def test_an_operator_may_hide_what_nobody_foresaw() -> None:
    context = PluginContext(
        1, "acme", data_source=SOURCE, grafana_config={"GF_USER_FACING_DEFAULT_ERROR": "ask Bob"}
    )

    results = await ask(Failing, request("bug", "downstream", context=context))

    assert [results[kind].error for kind in ("bug", "downstream")] == ["ask Bob", "the station is closed"]


async def test_an_object_that_cannot_be_made_fails_every_query_and_says_why() -> None:
    class Broken:
        def __init__(self, settings: Any) -> None:
            raise ConnectionRefusedError("database is down")

        def query(self, query: Any) -> Any: ...

    results = await ask(Broken, request("A", "B"))
    chunks = await ask_in_pieces(Broken, request("A", "B"))

    for told in (results["A"], results["B"], *chunks["A"], *chunks["B"]):
        assert (told.error, told.status, told.error_source) == ("database is down", 502, "downstream")


async def test_a_query_knows_its_call() -> None:
    seen: list[Query[Any]] = []
    context = PluginContext(
        3,
        "acme",
        user=User(login="ada"),
        data_source=SOURCE,
        grafana_config={"GF_SQL_ROW_LIMIT": "10"},
        user_agent="Grafana/11.5.2 (linux; amd64)",
    )
    asked = request(
        AskedQuery("A", '{"n": 1}', query_type="x"),
        AskedQuery("B", '{"queryType": "y"}', time_range=TimeRange(5, 6)),
        context=context,
        headers={"FromAlert": "true", "http_X-Team": "red"},
    )

    def remember(query: Query[Any]) -> None:
        assert current() is query.context
        seen.append(query)

    await ask(FunctionSource(remember), asked)

    first, second = sorted(seen, key=lambda query: query.ref_id)
    assert (first.query_type, second.query_type) == ("x", "y")
    assert (first.time_range.from_ms, second.time_range.from_ms, second.time_range.to_ms) == (1_000, 5, 6)
    assert first.user is not None
    assert (first.user.login, first.is_alert, first.headers["x-team"]) == ("ada", True, "red")
    assert (first.context.org_id, first.context.grafana_version) == (3, "11.5.2")
    assert first.context.config.sql_row_limit == 10
    assert first.settings.updated is not None
    assert (first.settings.uid, first.settings.updated.timestamp()) == ("u", 0.001)


async def test_a_request_of_grafana_7_has_no_user_no_config_and_is_answered_for_it() -> None:
    async def query(query: Query[Any]) -> Any:
        assert (query.user, query.is_alert) == (None, False)
        return frame_from([{"said": {"a": 1}}], json_columns=["said"])

    old = PluginContext(1, "acme", data_source=DataSourceSettings(1, 1, "weather", "acme", json=""))

    modern = await ask(FunctionSource(query), request("A"))
    aged = await ask(FunctionSource(query), request("A", context=old))

    assert [frames_of(results["A"])[0].fields[0].type.value for results in (modern, aged)] == [
        "json.RawMessage",
        "string",
    ]


async def test_an_app_answers_queries_too() -> None:
    async def query(query: Query[Any]) -> Any:
        return {"type": [query.settings.type]}

    results = await ask(FunctionSource(query), request("A", context=PluginContext(1, "acme-app")))

    assert frames_of(results["A"])[0].fields[0].values.tolist() == ["acme-app"]


@dataclass
class Counting:
    count: int


class Together(DataSource):
    def query_all(self, request: Queries[Counting]) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        answers: dict[str, Any] = {query.ref_id: {"n": [query.model.count]} for query in request}
        if "E" in answers:
            answers["E"] = DownstreamError("not this one", status=404)
        if "W" in answers:
            answers["W"] = 3
        answers.pop("M", None)
        answers["unasked"] = None
        return answers


def counting(ref_id: str, count: object) -> AskedQuery:
    return AskedQuery(ref_id, json.dumps({"count": count}))


async def test_all_queries_of_a_call_can_be_answered_at_once() -> None:
    asked = request(*(counting(ref_id, 2) for ref_id in "AEWM"), counting("B", "two"))
    results = await ask(Together, asked)
    chunks = await ask_in_pieces(Together, asked)

    assert frames_of(results["A"])[0].fields[0].values.tolist() == [2]
    assert (results["E"].error, results["E"].status) == ("not this one", 404)
    assert "returned an int" in results["W"].error
    assert (results["M"].error, results["M"].arrow) == ("", ())
    assert "Expected `int`, got `str`" in results["B"].error
    assert {ref_id: bool(told[0].error) for ref_id, told in chunks.items()} == {
        "A": False,
        "E": True,
        "W": True,
        "B": True,
    }


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_answering_all_at_once_fails_for_all_at_once(kind: str) -> None:
    class Broken:
        def query_all(self, request: Any) -> Any:
            raise TimeoutError("too slow")

    async def query_all(self: object, request: Any) -> Any:
        return [1]

    if kind == "async def":
        Broken.query_all = query_all  # type: ignore[method-assign]  # as a class body would
    results = await ask(Broken, request("A", "B"))

    expected = ("too slow", 504) if kind == "def" else ("query_all returned list; expected a dict", 500)
    for result in results.values():
        assert expected[0] in result.error
        assert result.status == expected[1]


def test_a_class_answers_all_at_once_or_one_by_one() -> None:
    class Both(Together):
        def query(self, query: Any) -> Any: ...

    with pytest.raises(PluginFault, match="has query_all, which answers all queries, and query; keep one"):
        handlers_of(Both)


async def test_no_more_queries_than_the_limit_run_at_once_in_pieces_either() -> None:
    running, most = 0, 0

    async def query(query: Any) -> AsyncIterator[Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        yield {"n": [1]}
        running -= 1

    chunks = await ask_in_pieces(FunctionSource(query), request(*(f"Q{n}" for n in range(100))))

    assert (len(chunks), most) == (100, 10)


async def test_a_cancelled_call_closes_generators_and_tells_threads() -> None:
    begun, closed = threading.Semaphore(0), []

    class Endless:
        @query_type("async")
        async def go_on(self, query: Any) -> AsyncIterator[Any]:
            try:
                begun.release()
                yield {"n": [1]}
                await asyncio.Event().wait()
            finally:
                closed.append("async")

        @query_type("plain")
        def count(self, query: Query[Any]) -> Iterator[Any]:
            try:
                begun.release()
                while True:
                    yield {"n": [1]}
            finally:
                closed.append("plain")

    async def send(chunk: Chunk) -> None: ...

    metrics = Metrics()
    async with desk(Endless, metrics) as dispatcher:
        call = asyncio.create_task(dispatcher.answer_in_pieces(request("async", "plain"), send))
        for _ in range(2):
            await eventually_async(lambda: begun.acquire(blocking=False), what="the queries to begin")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually_async(lambda: sorted(closed) == ["async", "plain"], what="both closed")

    labels = 'endpoint="queryChunkedData",status="cancelled",status_source="downstream"'
    assert f"grafana_plugin_request_total{{{labels}}} 1" in metrics.text()


async def test_calls_are_counted_by_how_they_end() -> None:
    metrics = Metrics()
    async with desk(Failing, metrics) as dispatcher:
        for kinds in (["fine"], ["fine", "downstream"], ["bug", "downstream"], ["downstream", "bug"]):
            await dispatcher.answer(request(*kinds), version=2)

    counted = {
        line for line in metrics.text().splitlines() if line.startswith("grafana_plugin_request_total{")
    }
    start = 'grafana_plugin_request_total{endpoint="queryData",status='
    assert counted == {
        f'{start}"ok",status_source="plugin"}} 1',
        f'{start}"error",status_source="downstream"}} 1',
        f'{start}"error",status_source="plugin"}} 2',
    }
