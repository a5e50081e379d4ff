"""Cleaning up is done to its end, cancelled or not."""

from __future__ import annotations

import asyncio

import pytest

from graftage.host.last_steps import to_the_end


async def test_work_that_nobody_interrupts_is_not_hurried() -> None:
    hurried: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)

    await to_the_end(work(), hurry=lambda: hurried.append("now"))
    assert hurried == []


async def test_each_cancellation_hurries_the_work_and_is_raised_when_it_is_done() -> None:
    hurry = asyncio.Event()
    begun = asyncio.Event()
    steps: list[str] = []

    async def work() -> None:
        begun.set()
        await hurry.wait()
        steps.append("done")

    task = asyncio.ensure_future(to_the_end(work(), hurry=hurry.set))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["done"]


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await to_the_end(work(), hurry=lambda: None)
