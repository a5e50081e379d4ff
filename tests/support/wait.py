"""Waiting for something that another process does, with a limit and a reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], *, timeout: float = 10.0, what: str = "condition") -> None:
    """Return as soon as `holds()` is true; fail with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


async def eventually_async(
    holds: Callable[[], object], *, timeout: float = 10.0, what: str = "condition"
) -> None:
    """As `eventually`, leaving the event loop free."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        await asyncio.sleep(0.01)
