from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.errors import CallFailed, GraftageError, NotFound, PluginTimeout, PluginUnavailable
from graftage.query.execute import CALL_FAILED, MOST_AT_ONCE, Answer, execute


class Plugins:
    """Plugins that answer by script: results, or an error for the call as a whole."""

    def __init__(self, script: Mapping[str, list[Result] | GraftageError]) -> None:
        self._script = script

    async def ask(self, plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        answer = self._script[plugin_id]
        if isinstance(answer, GraftageError):
            raise answer
        return tuple(answer)


def request_to(plugin: str, *ref_ids: str) -> QueryRequest:
    source = DataSourceSettings(len(plugin), 1, plugin, plugin)
    return QueryRequest(TimeRange(0, 1), context_of(source), tuple(map(Query, ref_ids)))


async def ask_one(answer: list[Result] | GraftageError, *ref_ids: str) -> Answer:
    return await execute([request_to("p", *ref_ids or "A")], ask=Plugins({"p": answer}).ask, timeout=1)


async def ask_two(first: list[Result] | GraftageError, second: list[Result] | GraftageError) -> Answer:
    """The first plugin is asked for A, the second one for B."""
    plugins = Plugins({"p": first, "pp": second})
    return await execute([request_to("p", "A"), request_to("pp", "B")], ask=plugins.ask, timeout=1)


async def test_results_come_back_by_ref_id() -> None:
    a, z = Result("A"), Result("Z")
    assert await ask_one([a, z]) == Answer({"A": a, "Z": z})


async def test_of_several_results_with_one_ref_id_the_last_stays() -> None:
    answer = await ask_one([Result("A", meta_json="1"), Result("A", meta_json="2")])
    assert answer.results["A"].meta_json == "2"


async def test_an_answer_without_results_is_fine() -> None:
    assert await ask_one([]) == Answer({})


async def test_errors_in_results_make_400_with_the_text_of_the_first_by_ref_id() -> None:
    answer = await ask_one(
        [Result("b", error="third"), Result("B", error="second"), Result("10", error=" "), Result("C")]
    )
    assert (answer.status, answer.message) == (400, " ")


async def test_a_failed_call_is_500_and_its_text_stands_under_each_ref_id() -> None:
    answer = await ask_one(CallFailed("INVALID_ARGUMENT", "bad argument"), "B", "A")
    assert (answer.status, answer.message) == (500, CALL_FAILED)
    assert answer.results == {ref_id: Result(ref_id, error="bad argument", status=500) for ref_id in "AB"}


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (PluginTimeout("no answer within 1 s"), 504),
        (CallFailed("DEADLINE_EXCEEDED", "deadline"), 504),
        (CallFailed("UNKNOWN", "went wrong"), 500),
        (PluginUnavailable("it died"), 500),
        (NotFound("no such plugin"), 500),
    ],
)
async def test_only_a_passed_deadline_is_504(failure: GraftageError, status: int) -> None:
    answer = await ask_one(failure)
    assert (answer.status, answer.message) == (status, CALL_FAILED)
    assert answer.results["A"].error == str(failure)


async def test_what_one_data_source_answers_is_kept_when_another_fails() -> None:
    answer = await ask_two([Result("A", meta_json="1")], CallFailed("UNKNOWN", "boom"))
    assert (answer.status, answer.message) == (500, CALL_FAILED)
    assert answer.results == {"A": Result("A", meta_json="1"), "B": Result("B", error="boom", status=500)}


async def test_the_gravest_of_two_outcomes_counts() -> None:
    timeout, failure, error = PluginTimeout("late"), CallFailed("UNKNOWN", "boom"), [Result("A", error="bad")]
    assert (await ask_two(timeout, failure)).status == 500
    assert (await ask_two(timeout, timeout)).status == 504
    assert (await ask_two(error, timeout)).status == 504
    assert (await ask_two(error, [])).status == 400


async def test_an_unasked_result_does_not_hide_the_one_that_was_asked_for() -> None:
    right, stray = Result("A", meta_json="1"), Result("A", meta_json="2")
    answer = await ask_two([right], [Result("B"), stray])
    assert answer.results == {"A": right, "B": Result("B")}


async def test_data_sources_are_asked_at_the_same_time() -> None:
    both_asked = asyncio.Barrier(2)

    async def ask(plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        await both_asked.wait()
        return tuple(Result(query.ref_id) for query in request.queries)

    async with asyncio.timeout(10):
        answer = await execute([request_to("p", "A"), request_to("pp", "B")], ask=ask, timeout=7)
    assert sorted(answer.results) == ["A", "B"]


@pytest.mark.parametrize("count", [1, 2])
async def test_cancelling_cancels_every_call(count: int) -> None:
    started, cancelled = asyncio.Semaphore(0), []

    async def ask(plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        assert timeout == 7
        started.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(plugin_id)
            raise
        return ()

    requests = [request_to("p" * number, "A") for number in range(1, count + 1)]
    task = asyncio.create_task(execute(requests, ask=ask, timeout=7))
    for _ in requests:
        await started.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(cancelled) == count


async def test_the_log_keeps_the_beginning_of_a_long_error_only(caplog: pytest.LogCaptureFixture) -> None:
    await ask_one(CallFailed("UNKNOWN", "x" * 1_000_000))
    (record,) = caplog.records
    assert len(record.getMessage()) < 3000


@pytest.mark.parametrize(
    "answer", [[Result("A", "x" * 1_000_000)], CallFailed("UNKNOWN", "x" * 1_000_000)], ids=["query", "call"]
)
async def test_an_error_longer_than_64_kib_is_cut_and_says_so(answer: list[Result] | GraftageError) -> None:
    error = (await ask_one(answer)).results["A"].error
    assert error == "x" * 65_536 + "… (cut here, of 1,000,000 characters)"


async def test_an_error_of_64_kib_is_whole() -> None:
    words = "x" * 65_536
    assert (await ask_one([Result("A", words)])).message == words


async def test_of_many_data_sources_some_wait_for_their_turn() -> None:
    at_once: list[int] = []
    asking = 0
    everybody = asyncio.Barrier(MOST_AT_ONCE)

    async def ask(plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        nonlocal asking
        asking += 1
        at_once.append(asking)
        await everybody.wait()
        asking -= 1
        return (Result(plugin_id),)

    requests = [request_to("p" * count, "p" * count) for count in range(1, 2 * MOST_AT_ONCE + 1)]
    answer = await execute(requests, ask=ask, timeout=1)
    assert max(at_once) == MOST_AT_ONCE
    assert len(answer.results) == len(requests)


@pytest.mark.parametrize(
    ("failure", "status", "source"),
    [
        (CallFailed("UNKNOWN", "no", error_source="downstream"), 500, "downstream"),
        (CallFailed("DEADLINE_EXCEEDED", "no"), 504, ""),
        (PluginTimeout("no"), 504, ""),
        (PluginUnavailable("no"), 500, ""),
    ],
)
async def test_a_failed_call_has_a_status_and_says_whose_fault_it_is(
    failure: GraftageError, status: int, source: str
) -> None:
    result = (await ask_one(failure)).results["A"]
    assert (result.status, result.error_source) == (status, source)
