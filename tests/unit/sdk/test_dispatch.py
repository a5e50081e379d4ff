from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query as AskedQuery
from graftage.backend.query import QueryRequest, Result, TimeRange
from graftage.backend.secrets import Secrets
from graftage.sdk.data_source import DataSource, query_type
from graftage.sdk.dispatch import Dispatcher
from graftage.sdk.errors import PluginError
from graftage.sdk.handlers import FunctionSource
from graftage.sdk.metrics import Metrics
from graftage.sdk.query import Query
from graftage.sdk.runtime import Runtime
from graftage.sdk.settings import Settings
from support.wait import eventually_async


def request(queries: Mapping[str, str] | list[str], **data_source: Any) -> QueryRequest:
    """A call with these models by refId, or with empty models under these refIds."""
    models = dict(queries) if isinstance(queries, Mapping) else None
    asked = models.items() if models is not None else [(ref_id, "{}") for ref_id in queries]
    usual = {"id": 1, "org_id": 1, "name": "weather", "type": "acme", "json": '{"station": "EDDB"}'}
    return QueryRequest(
        TimeRange(1_000, 61_000, "now-1m", "now"),
        context_of(DataSourceSettings(**(usual | data_source))),
        tuple(AskedQuery(ref_id, model, interval_ms=15_000, max_data_points=7) for ref_id, model in asked),
    )


class Desk:
    """A dispatcher for version 1, and the runtime below it."""

    def __init__(self, target: object) -> None:
        self._runtime = Runtime(target, metrics=Metrics(), environment={})
        self._dispatcher = Dispatcher(self._runtime)

    async def answer(self, asked: QueryRequest) -> tuple[Result, ...]:
        return await self._dispatcher.answer(asked, version=1)

    async def close(self, *, timeout: float) -> None:
        await self._runtime.close(timeout=timeout)


async def ask(target: object, asked: QueryRequest) -> dict[str, Result]:
    dispatcher = Desk(target)
    try:
        return {result.ref_id: result for result in await dispatcher.answer(asked)}
    finally:
        await dispatcher.close(timeout=1)


@dataclass
class Forecast:
    days: int
    place: str = "here"


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Source(DataSource):
    """One handler for each way of answering."""

    @query_type("async")
    async def answer_async(self, query: Any) -> Any:
        return {"n": [1]}

    @query_type("def")
    def answer_plain(self, query: Any) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        return {"n": [1]}

    @query_type("awaitable")
    def answer_awaitable(self, query: Any) -> Any:
        return self.answer_async(query)

    @query_type("none")
    async def answer_none(self, query: Any) -> None:
        return None

    @query_type("raise")
    async def fail(self, query: Any) -> None:
        raise ValueError("no such city")

    @query_type("raise-plain")
    def fail_plain(self, query: Any) -> None:
        raise LookupError

    @query_type("raise-odd")
    def fail_oddly(self, query: Any) -> None:
        raise Odd

    @query_type("exit")
    async def leave(self, query: Any) -> None:
        sys.exit("bye")

    @query_type("exit-plain")
    def leave_plain(self, query: Any) -> None:
        sys.exit("bye")

    @query_type("stop")
    def stop(self, query: Any) -> Any:
        return next(iter(()))

    @query_type("cancel")
    async def cancel(self, query: Any) -> None:
        raise asyncio.CancelledError

    @query_type("refuse")
    async def refuse(self, query: Any) -> None:
        raise PluginError("pick a city first")

    @query_type("wrong")
    async def answer_wrong(self, query: Any) -> Any:
        return 42

    @query_type("forecast")
    async def forecast(self, query: Query[Forecast]) -> Any:
        return {"days": [query.model.days]}


@pytest.mark.parametrize(
    ("model", "tables", "error"),
    [
        ('{"queryType": "async"}', 1, ""),
        ('{"queryType": "def"}', 1, ""),
        ('{"queryType": "awaitable"}', 1, ""),
        ('{"queryType": "none"}', 0, ""),
        ('{"queryType": "raise"}', 0, "no such city"),
        ('{"queryType": "raise-plain"}', 0, "LookupError"),
        ('{"queryType": "raise-odd"}', 0, "Odd"),
        ('{"queryType": "exit"}', 0, "bye"),
        ('{"queryType": "exit-plain"}', 0, "bye"),
        ('{"queryType": "stop"}', 0, "StopIteration"),
        ('{"queryType": "cancel"}', 0, "cancelled inside the plugin"),
        ('{"queryType": "refuse"}', 0, "pick a city first"),
        ('{"queryType": "wrong"}', 0, "the handler returned an int"),
        ('{"queryType": "forecast", "days": 3, "more": true}', 1, ""),
        ('{"queryType": "forecast", "days": "3"}', 0, "Expected `int`, got `str` - at `$.days`"),
        ('{"queryType": "forecast"}', 0, "missing required field `days`"),
        (
            '{"queryType": "unheard"}',
            0,
            "no handler for query type 'unheard'; this data source knows 'async'",
        ),
        ('{"queryType": 3}', 0, "the queryType 3; it must be a text"),
        ("{}", 0, "no handler for query type ''"),
        ("{", 0, "the query's model is no valid JSON"),
        ("[]", 0, "the query's model is no JSON object but list"),
    ],
)
async def test_each_way_of_answering_reaches_its_own_ref_id_alone(
    model: str, tables: int, error: str
) -> None:
    results = await ask(Source, request({"A": model, "B": '{"queryType": "async"}'}))

    assert error in results["A"].error if error else results["A"].error == ""
    assert len(results["A"].tables) == tables
    assert results["B"].error == ""
    assert len(results["B"].tables) == 1


@pytest.mark.parametrize("count", [0, 1, 10, 11, 100])
async def test_any_number_of_queries_is_answered_in_the_order_asked(count: int) -> None:
    async def echo(query: Query[Any]) -> Any:
        return {"ref": [query.ref_id]}

    dispatcher = Desk(FunctionSource(echo))
    ref_ids = [f"Q{number % 60}" for number in range(count)]  # some of them twice

    results = await dispatcher.answer(
        QueryRequest(TimeRange(0, 1), request([]).context, tuple(AskedQuery(ref_id) for ref_id in ref_ids))
    )

    assert [result.ref_id for result in results] == ref_ids
    assert not any(result.error for result in results)
    await dispatcher.close(timeout=1)


@pytest.mark.parametrize(("limit", "expected"), [(None, 10), (3, 3)])
async def test_no_more_queries_than_the_limit_run_at_once(limit: int | None, expected: int) -> None:
    running, most = 0, 0

    class Counting:
        async def query(self, query: Any) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            running -= 1

    if limit is not None:
        Counting.concurrent_queries = limit  # type: ignore[attr-defined]  # as a class body would

    await ask(Counting, request([f"Q{number}" for number in range(30)]))

    assert most == expected


async def test_a_query_carries_all_that_the_host_said() -> None:
    seen: list[Query[Any]] = []
    model = '{"queryType": "x", "refId": "A", "nested": {"a": [1, null]}}'

    await ask(FunctionSource(seen.append), request({"A": model}, secrets=Secrets({"token": "hush"})))

    (asked,) = seen
    assert (asked.ref_id, asked.query_type) == ("A", "x")
    assert asked.model == {"queryType": "x", "refId": "A", "nested": {"a": [1, None]}}
    assert asked.time_range.start == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert asked.time_range.end == datetime(1970, 1, 1, 0, 1, 1, tzinfo=UTC)
    assert (asked.time_range.from_ms, asked.time_range.to_raw) == (1_000, "now")
    assert asked.interval == timedelta(seconds=15)
    assert asked.max_data_points == 7
    assert asked.settings.json == {"station": "EDDB"}
    assert asked.settings.secrets["token"] == "hush"
    assert "hush" not in repr(asked)
    assert not asked.cancelled


@dataclass
class Station:
    station: str


@pytest.mark.parametrize("json_data", ["", "{}", "null"])
async def test_empty_json_data_is_an_empty_dict(json_data: str) -> None:
    seen: list[Any] = []

    class Plain:
        def __init__(self, settings: Any) -> None:
            seen.append(settings.json)

        def query(self, query: Any) -> None: ...

    await ask(Plain, request(["A"], json=json_data))

    assert seen == [{}]


async def test_settings_are_decoded_into_the_annotated_type() -> None:
    seen: list[Any] = []

    class Typed:
        def __init__(self, settings: Settings[Station]) -> None:
            seen.append(settings.json)

        def query(self, query: Any) -> None: ...

    good = await ask(Typed, request(["A"]))
    bad = await ask(Typed, request(["A", "B"], json='{"station": 3}'))

    assert seen == [Station("EDDB")]
    assert good["A"].error == ""
    for ref_id in ("A", "B"):
        assert "the jsonData of data source 'weather'" in bad[ref_id].error
        assert "Expected `str`, got `int` - at `$.station`" in bad[ref_id].error


class OwnInit(DataSource):
    """Its `__init__` does not call ours."""

    settings: Settings[Station]

    def __init__(self) -> None:
        self.answers = 0

    def query(self, query: Any) -> Any:
        return {"station": [self.settings.json.station]}


@dataclass(frozen=True)
class Frozen(DataSource):
    given: Settings[Station]

    def query(self, query: Any) -> Any:
        return {"station": [self.settings.json.station]}


@pytest.mark.parametrize("source", [OwnInit, Frozen])
async def test_the_settings_are_there_without_our_init_and_of_the_annotated_type(source: type) -> None:
    (table,) = (await ask(source, request(["A"])))["A"].tables

    assert list(table.rows()) == [("EDDB",)]


async def test_settings_that_the_author_keeps_stay() -> None:
    class Own(DataSource):
        def __init__(self, settings: Any) -> None:
            self.settings = "mine"

        def query(self, query: Any) -> Any:
            return {"settings": [self.settings]}

    (table,) = (await ask(Own, request(["A"])))["A"].tables

    assert list(table.rows()) == [("mine",)]


async def test_a_class_without_settings_is_made_without() -> None:
    class Bare:
        def __init__(self) -> None:
            self.ready = False

        async def setup(self) -> None:
            self.ready = True

        def query(self, query: Any) -> Any:
            return {"ready": [self.ready]}

    (table,) = (await ask(Bare, request(["A"])))["A"].tables

    assert list(table.rows()) == [(True,)]


@pytest.mark.parametrize("where", ["__init__", "setup", "async setup"])
async def test_an_object_that_cannot_be_made_fails_every_query_until_it_can(where: str) -> None:
    broken, closed = True, []

    def fail() -> None:
        if broken:
            raise ConnectionError("database is down")

    class Fragile:
        def __init__(self, settings: Any) -> None:
            if where == "__init__":
                fail()

        def query(self, query: Any) -> None: ...

        def close(self) -> None:
            closed.append(self)

    async def setup(self: object) -> None:
        fail()

    if where == "setup":
        Fragile.setup = lambda self: fail()  # type: ignore[attr-defined]  # as a class body would
    elif where == "async setup":
        Fragile.setup = setup  # type: ignore[attr-defined]  # as a class body would
    dispatcher = Desk(Fragile)

    failed = await dispatcher.answer(request(["A", "B"]))
    broken = False
    recovered = await dispatcher.answer(request(["A", "B"]))

    assert [result.error for result in failed] == ["database is down"] * 2
    assert [result.error for result in recovered] == ["", ""]
    assert len(closed) == (0 if where == "__init__" else 1), "what was made in part is closed"
    await dispatcher.close(timeout=1)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError(), "cancelled inside"),
        (OSError(), "OSError"),
    ],
)
async def test_not_even_leaving_the_program_in_setup_ends_it(raised: BaseException, error: str) -> None:
    class Leaving:
        async def setup(self) -> None:
            raise raised

        async def query(self, query: Any) -> None: ...

    results = await ask(Leaving, request(["A", "B"]))

    assert [error in result.error for result in results.values()] == [True, True]


@pytest.mark.parametrize("name", ["close", "aclose", "async close"])
async def test_objects_are_closed_at_the_end(name: str) -> None:
    closed = []

    class Closing:
        def query(self, query: Any) -> None: ...

    async def aclose(self: object) -> None:
        closed.append(name)

    if name == "close":
        Closing.close = lambda self: closed.append(name)  # type: ignore[attr-defined]  # as a class body would
    else:
        setattr(Closing, name.removeprefix("async "), aclose)
    dispatcher = Desk(Closing)
    for org in (1, 2):
        await dispatcher.answer(request(["A"], org_id=org))

    await dispatcher.close(timeout=5)

    assert closed == [name, name]


async def test_a_close_that_fails_is_logged_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn:
        def query(self, query: Any) -> None: ...

        def close(self) -> None:
            raise OSError("already gone")

    assert (await ask(Stubborn, request(["A"])))["A"].error == ""
    assert "closing Stubborn failed" in caplog.text


async def test_an_object_serves_all_data_sources_and_is_set_up_and_closed_once() -> None:
    class Shared:
        log: list[str]

        def __init__(self) -> None:
            self.log = []

        async def setup(self) -> None:
            self.log.append("setup")

        async def query(self, query: Query[Any]) -> None:
            self.log.append(query.settings.name)

        async def aclose(self) -> None:
            self.log.append("close")

    shared = Shared()
    dispatcher = Desk(shared)
    for number, name in enumerate(["one", "two"]):
        await dispatcher.answer(request(["A"], id=number, name=name))
    await dispatcher.close(timeout=1)

    assert shared.log == ["setup", "one", "two", "close"]


async def test_a_cancelled_call_cancels_its_tasks_and_tells_its_threads() -> None:
    begun, cancelled, noticed = threading.Semaphore(0), [], threading.Event()

    class Slow:
        @query_type("thread")
        def in_thread(self, query: Query[Any]) -> None:
            begun.release()
            while not query.cancelled:
                threading.Event().wait(0.005)
            noticed.set()

        async def query(self, query: Any) -> None:
            begun.release()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(query.ref_id)
                raise

    dispatcher = Desk(Slow)
    call = asyncio.create_task(
        dispatcher.answer(request({"A": "{}", "B": '{"queryType": "thread"}', "C": "{}"}))
    )
    for _ in range(3):
        await eventually_async(lambda: begun.acquire(blocking=False), what="the queries to begin")

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert sorted(cancelled) == ["A", "C"]
    await eventually_async(noticed.is_set, what="the thread noticing")
    await dispatcher.close(timeout=1)


async def test_an_object_stays_open_while_a_thread_of_a_cancelled_call_uses_it() -> None:
    begun, go_on, log = threading.Event(), threading.Event(), []

    class Slow:
        def __init__(self, settings: Any) -> None:
            self.url = settings.url

        def query(self, query: Any) -> None:
            if self.url == "old":
                begun.set()
                go_on.wait(10)
                log.append("used")

        def close(self) -> None:
            log.append(f"closed {self.url}")

    dispatcher = Desk(Slow)
    call = asyncio.create_task(dispatcher.answer(request(["A"], url="old")))
    await eventually_async(begun.is_set, what="the thread to begin")
    call.cancel()
    await asyncio.wait([call])
    await dispatcher.answer(request(["A"], url="new"))
    assert log == []

    go_on.set()

    await eventually_async(lambda: log == ["used", "closed old"], what="closed after use")
    await dispatcher.close(timeout=1)


async def test_failures_are_logged_with_their_fields_and_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await ask(Source, request({"A": '{"queryType": "raise"}', "B": '{"queryType": "refuse"}'}))

    failed = {record.levelname: record for record in caplog.records if "query failed" in record.getMessage()}
    assert failed["ERROR"].exc_info is not None
    assert failed["WARNING"].exc_info is None
    assert "pick a city first" in failed["WARNING"].getMessage()
    (answered,) = [record for record in caplog.records if record.getMessage() == "request ended"]
    assert (vars(answered)["status"], vars(answered)["statusSource"]) == ("error", "plugin")
