"""What a supervisor does with the processes it is given: scripted ones here, real ones in test_host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import QueryRequest, Result, TimeRange
from graftage.errors import CallFailed, PluginFault, PluginUnavailable
from graftage.host.exit_status import ExitStatus
from graftage.host.launch import StartFailed
from graftage.host.supervision import BackOff, State
from graftage.host.supervisor import Supervisor
from support.wait import eventually_async

QUICK = BackOff(first=0.01, longest=30.0, steady=60.0, jitter=0.0)
SLOW = BackOff(first=20.0, longest=30.0, steady=60.0, jitter=0.0)

REQUEST = QueryRequest(TimeRange(0, 1), context_of(DataSourceSettings(1, 1, "ds", "a-ds")), ())
ANSWER = (Result("A"),)


LINES = (
    "the first line",
    '{"@level":"error","@message":"the disk is full"}',
    '{"@level":"info","@message":"nothing to see"}',
    "Traceback (most recent call last):",
    "",
    '  File "tool.py", line 1, in <module>',
    "    import numpy",
    "ModuleNotFoundError",
    "bye",
)


class ScriptedProcess:
    """A plugin that runs until it is told to `die`, and answers until then."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.client = self
        self.exited = asyncio.Event()
        self.stderr_tail: tuple[str, ...] = LINES
        self.asked = 0
        self.answer: Callable[[], Any] = lambda: ANSWER

    async def wait_exit(self) -> str:
        await self.exited.wait()
        return "status 3"

    async def query(self, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        self.asked += 1
        result: tuple[Result, ...] = self.answer()
        return result

    def die(self) -> None:
        self.exited.set()


async def query(process: ScriptedProcess, seconds: float) -> tuple[Result, ...]:
    return await process.query(REQUEST, timeout=seconds)


class Nursery:
    """Launches scripted processes.

    failures: how the first starts fail. open: clear it to hold all starts back.
    """

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.processes: list[ScriptedProcess] = []
        self.gone = 0
        self.clearing_away = 0.0

    @asynccontextmanager
    async def launch(self) -> AsyncIterator[ScriptedProcess]:
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.processes.append(ScriptedProcess(100 + len(self.processes)))
        try:
            yield self.processes[-1]
        finally:
            await asyncio.sleep(self.clearing_away)
            self.gone += 1


class Hopeless(PluginFault):
    pass


NO_HANDSHAKE = StartFailed(
    "no handshake came", exit_status=ExitStatus(code=7), stderr_tail=("cannot import numpy",)
)


@pytest.fixture
def nursery() -> Nursery:
    return Nursery()


@asynccontextmanager
async def supervised(nursery: Nursery, policy: BackOff = QUICK) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(
        "a-ds",
        "1.2",
        nursery.launch,
        policy=policy,
        is_hopeless=lambda error: isinstance(error, Hopeless),
        now=lambda: datetime.now(UTC),
        chance=lambda: 0.0,
        logger=logging.getLogger("test.supervisor"),
    )
    supervisor.start()
    try:
        yield supervisor
    finally:
        task = supervisor.stop()
        assert task is not None
        await asyncio.wait({task})


async def until(supervisor: Supervisor, state: State, *, restarts: int = 0) -> None:
    await eventually_async(
        lambda: supervisor.status.state is state and supervisor.status.restarts >= restarts,
        what=f"state {state}",
    )


async def test_a_plugin_that_ends_is_started_again_and_the_status_tells_of_it(nursery):
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
        first = supervisor.status
        assert (first.pid, first.restarts, first.last_exit, first.reason) == (100, 0, "", "")
        nursery.processes[0].die()
        await until(supervisor, State.RUNNING, restarts=1)
        second = supervisor.status
        assert (second.pid, second.restarts, second.last_exit, second.reason) == (101, 1, "status 3", "")
        assert (second.id, second.version) == ("a-ds", "1.2")
        assert second.since > first.since
    assert nursery.gone == 2


async def test_a_first_start_that_fails_is_tried_again_and_its_reason_is_shown_until_then(nursery):
    nursery.failures = [NO_HANDSHAKE]
    async with supervised(nursery, BackOff(first=0.2, jitter=0.0)) as supervisor:
        await until(supervisor, State.BACKING_OFF)
        failed = supervisor.status
        assert failed.reason == "no handshake came"
        assert (failed.last_exit, failed.stderr_tail) == ("status 7", ("cannot import numpy",))
        await until(supervisor, State.RUNNING)
        assert supervisor.status.reason == ""


async def test_a_query_waits_for_a_plugin_that_starts(nursery):
    nursery.open.clear()
    async with supervised(nursery) as supervisor:
        asked = asyncio.create_task(supervisor.call(query, timeout=10))
        await until(supervisor, State.STARTING)
        nursery.open.set()
        assert await asked == ANSWER


async def test_a_query_waits_for_a_plugin_that_backs_off(nursery):
    policy = BackOff(first=0.2, longest=30.0, jitter=0.0)
    async with supervised(nursery, policy) as supervisor:
        await until(supervisor, State.RUNNING)
        nursery.processes[0].die()
        await until(supervisor, State.BACKING_OFF)
        assert await supervisor.call(query, timeout=10) == ANSWER
        assert [process.asked for process in nursery.processes] == [0, 1]


async def test_nothing_is_sent_to_a_process_whose_end_was_not_noticed_yet(nursery):
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
        nursery.processes[0].die()  # the supervisor's task has had no chance to see it
        assert await supervisor.call(query, timeout=10) == ANSWER
        assert [process.asked for process in nursery.processes] == [0, 1]


async def test_a_query_that_waited_in_vain_is_told_state_exit_and_last_words(nursery):
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
        nursery.open.clear()
        nursery.processes[0].die()
        await until(supervisor, State.STARTING, restarts=1)
        with pytest.raises(PluginUnavailable) as refusal:
            await supervisor.call(query, timeout=0.05)
        assert str(refusal.value) == (
            "plugin 'a-ds' is starting: its process ended with status 3; the last it wrote to stderr: "
            'the disk is full / Traceback (most recent call last): /   File "tool.py", line 1, in <module> / '
            "    import numpy / ModuleNotFoundError / bye"
        )


async def test_a_query_does_not_wait_for_a_start_that_comes_after_its_time(nursery):
    async with supervised(nursery, SLOW) as supervisor:
        await until(supervisor, State.RUNNING)
        nursery.processes[0].die()
        await until(supervisor, State.BACKING_OFF)
        async with asyncio.timeout(5):
            with pytest.raises(
                PluginUnavailable, match=r"backing off, to be started again in (20\.0|19\.\d) s"
            ):
                await supervisor.call(query, timeout=15)


async def test_a_query_to_a_plugin_that_has_failed_is_told_so_at_once(nursery):
    nursery.failures = [Hopeless("chmod +x it")]
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.FAILED)
        async with asyncio.timeout(5):
            with pytest.raises(PluginUnavailable, match=r"is failed, .*: chmod \+x it"):
                await supervisor.call(query, timeout=60)


async def test_a_query_that_waits_is_told_when_the_plugin_fails(nursery):
    nursery.open.clear()
    nursery.failures = [Hopeless("chmod +x it")]
    async with supervised(nursery) as supervisor:
        asked = asyncio.create_task(supervisor.call(query, timeout=60))
        await asyncio.sleep(0)
        nursery.open.set()
        async with asyncio.timeout(5):
            with pytest.raises(PluginUnavailable, match="is failed"):
                await asked


async def test_a_plugin_that_has_failed_is_tried_again_after_the_longest_wait(nursery):
    nursery.failures = [Hopeless("chmod +x it")]
    async with supervised(nursery, BackOff(first=0.01, longest=0.05, jitter=0.0)) as supervisor:
        await until(supervisor, State.RUNNING)
        assert supervisor.status.restarts == 1


async def test_a_death_during_a_call_fails_that_call_once_and_tells_how_the_process_ended(nursery):
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
        process = nursery.processes[0]

        def crash() -> None:
            asyncio.get_running_loop().call_later(0.02, process.die)  # the end is known after the call broke
            raise PluginUnavailable("connection lost")

        process.answer = crash
        with pytest.raises(PluginUnavailable, match=r"the call broke off: .* ended with status 3; .* bye"):
            await supervisor.call(query, timeout=10)
        assert await supervisor.call(query, timeout=10) == ANSWER
        assert [process.asked for process in nursery.processes] == [1, 1]


async def test_what_comes_in_pieces_waits_for_a_plugin_that_starts_and_has_no_limit_of_time(nursery):
    async def count(process: ScriptedProcess, seconds: float | None) -> AsyncGenerator[object, None]:
        yield process.pid
        yield seconds

    nursery.open.clear()
    async with supervised(nursery) as supervisor:
        pieces = supervisor.pieces(count, timeout=None)
        first = asyncio.ensure_future(anext(pieces))
        await until(supervisor, State.STARTING)
        nursery.open.set()
        assert await first == 100
        assert [piece async for piece in pieces] == [None]


async def test_a_death_between_two_pieces_tells_how_the_process_ended(nursery):
    async def break_off(process: ScriptedProcess, _: float | None) -> AsyncGenerator[int, None]:
        yield 1
        process.die()
        raise PluginUnavailable("connection lost")

    async with supervised(nursery) as supervisor:
        pieces = supervisor.pieces(break_off, timeout=None)
        assert await anext(pieces) == 1
        with pytest.raises(PluginUnavailable, match=r"the call broke off: .* ended with status 3; .* bye"):
            await anext(pieces)


async def test_who_has_enough_of_the_pieces_closes_what_makes_them(nursery):
    closed = asyncio.Event()

    async def endless(_: ScriptedProcess, seconds: float | None) -> AsyncGenerator[float | None, None]:
        try:
            while True:
                yield seconds
        finally:
            closed.set()

    async with supervised(nursery) as supervisor:
        pieces = supervisor.pieces(endless, timeout=60)
        left = await anext(pieces)
        assert left is not None
        assert 0 < left <= 60
        await pieces.aclose()
        assert closed.is_set()


async def test_a_call_that_fails_while_the_process_lives_keeps_its_own_error(nursery):
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
        for error in (PluginUnavailable("connection lost"), CallFailed("INTERNAL", "out of memory")):

            def fail(error: Exception = error) -> None:
                raise error

            nursery.processes[0].answer = fail
            with pytest.raises(type(error), match=str(error)):
                await supervisor.call(query, timeout=0.05)
        assert supervisor.status.restarts == 0


async def test_a_stop_ends_the_wait_of_queries_and_leaves_nothing(nursery):
    async with supervised(nursery, SLOW) as supervisor:
        await until(supervisor, State.RUNNING)
        nursery.processes[0].die()
        await until(supervisor, State.BACKING_OFF)
        asked = asyncio.create_task(supervisor.call(query, timeout=60))
        await asyncio.sleep(0)
        supervisor.stop()
        with pytest.raises(PluginUnavailable, match="plugin 'a-ds' is stopped"):
            await asked
    assert supervisor.status.state is State.STOPPED
    assert (len(nursery.processes), nursery.gone) == (1, 1)


async def test_a_plugin_may_be_stopped_while_it_starts_or_before(nursery):
    nursery.open.clear()
    async with supervised(nursery) as at_once:
        pass
    async with supervised(nursery) as starting:
        await asyncio.sleep(0)
    assert (at_once.status.state, starting.status.state) == (State.STOPPED, State.STOPPED)
    assert nursery.processes == []


async def test_asking_twice_for_the_end_does_not_interrupt_the_clearing_away(nursery):
    nursery.clearing_away = 0.05
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
        supervisor.stop()
        await asyncio.sleep(0)
        supervisor.stop()
    assert nursery.gone == 1
    assert (supervisor.status.pid, supervisor.status.stderr_tail) == (None, LINES)


async def test_an_error_of_our_own_is_logged_whole_and_the_start_is_tried_again(nursery, caplog):
    nursery.failures = [ZeroDivisionError("a mistake")]
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.getMessage() == "supervising plugin a-ds failed"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_each_change_of_state_is_one_record_with_the_plugin_s_id(nursery, caplog):
    caplog.set_level(logging.DEBUG, "test.supervisor")
    nursery.failures = [NO_HANDSHAKE]
    async with supervised(nursery) as supervisor:
        await until(supervisor, State.RUNNING)
    told = [(vars(record)["plugin_id"], vars(record)["state"], record.levelname) for record in caplog.records]
    assert told == [
        ("a-ds", "starting", "INFO"),
        ("a-ds", "backing off", "WARNING"),
        ("a-ds", "starting", "INFO"),
        ("a-ds", "running", "INFO"),
        ("a-ds", "stopped", "INFO"),
    ]
    assert "plugin 'a-ds' is backing off, to be started again in 0.0 s: no handshake came" in caplog.text
