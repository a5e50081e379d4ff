from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from graftage.sdk.workers import Workers

COLOUR: ContextVar[str] = ContextVar("COLOUR", default="none")


async def test_a_call_runs_in_another_thread_with_the_callers_context() -> None:
    COLOUR.set("green")

    thread, colour = await Workers().submit(lambda: (threading.current_thread(), COLOUR.get()))

    assert thread is not threading.current_thread()
    assert thread.daemon, "a hanging handler must not keep a stopped plugin alive"
    assert colour == "green"


async def test_there_are_never_more_threads_than_the_limit_and_free_ones_are_used_again() -> None:
    workers, gate = Workers(limit=3), threading.Event()
    running = [workers.submit(lambda: gate.wait(10) and threading.current_thread().name) for _ in range(9)]
    gate.set()

    names = await asyncio.gather(*running)
    again = [await workers.submit(lambda: threading.current_thread().name) for _ in range(5)]

    assert len({*names, *again}) <= 3


async def test_calls_run_beside_each_other() -> None:
    workers, meeting = Workers(limit=4), threading.Barrier(4)

    await asyncio.gather(*(workers.submit(lambda: meeting.wait(10)) for _ in range(4)))


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (ValueError("bad"), ValueError),
        (StopIteration("over"), RuntimeError),
        (SystemExit(3), RuntimeError),
        (KeyboardInterrupt(), RuntimeError),
    ],
)
async def test_whatever_a_call_raises_arrives_as_an_exception(raised: BaseException, seen: type) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(seen):
        await Workers().submit(fail)


async def test_a_cancelled_wait_leaves_the_thread_usable() -> None:
    workers, gate = Workers(limit=1), threading.Event()
    future = workers.submit(lambda: gate.wait(10))
    future.cancel()
    gate.set()

    assert await workers.submit(lambda: 1) == 1
