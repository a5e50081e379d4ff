"""How long the event loop was held up by what a block did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

_TICK_SECONDS = 0.001
_ATTEMPTS = 6


@dataclass(slots=True)
class Pauses:
    """longest: in seconds, once the block has ended."""

    longest: float = 0.0


@asynccontextmanager
async def pauses() -> AsyncIterator[Pauses]:
    """The longest time within the block for which no other task could run."""
    loop = asyncio.get_running_loop()
    measured = Pauses()
    before = loop.time()

    def note() -> None:
        nonlocal before
        now = loop.time()
        measured.longest = max(measured.longest, now - before)
        before = now

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            note()

    ticking = asyncio.create_task(tick())
    try:
        yield measured
    finally:
        ticking.cancel()
        note()


async def shortest_pause(work: Callable[[], Awaitable[object]], *, below: float) -> float:
    """The longest pause of `work`, the best of some attempts: on a busy machine others make pauses, too.

    Stops trying at the first that is shorter than `below` seconds.
    """
    best = float("inf")
    for _ in range(_ATTEMPTS):
        async with pauses() as measured:
            await work()
        best = min(best, measured.longest)
        if best < below:
            break
    return best
