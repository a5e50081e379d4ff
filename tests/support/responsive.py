"""How long the event loop was held up by what a block did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_TICK_SECONDS = 0.001


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
