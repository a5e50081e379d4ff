"""Cleaning up completely, also in a task that is cancelled while it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


async def to_the_end(work: Coroutine[object, object, None], *, hurry: Callable[[], None]) -> None:
    """Await `work` although cancelled meanwhile. A cancellation calls `hurry`, and is raised in the end.

    The work has to end by itself within a limited time.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            hurry()
    task.result()
    if cancelled is not None:
        raise cancelled
