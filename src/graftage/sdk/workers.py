"""Threads for the handlers that are plain functions.

Not the standard library's pool: its threads are waited for when the interpreter ends, and one handler that
hangs would keep a stopped plugin alive.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

LIMIT = 40  # four calls of ten queries each; what comes beyond waits its turn

_T = TypeVar("_T")
_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Workers:
    """At most `limit` threads, started as they are needed."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._lock = Lock()
        self._started = 0
        self._unclaimed = 0  # jobs that have come, less those that threads were free for

    def submit(self, call: Callable[[], _T]) -> asyncio.Future[_T]:
        """Run `call` in a thread with the caller's context variables; cancelling does not stop it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        context = contextvars.copy_context()
        self._jobs.put((loop, future, lambda: context.run(call)))
        with self._lock:
            self._unclaimed += 1
            start = self._unclaimed > 0 and self._started < self._limit
            self._started += start
            self._unclaimed -= start
        if start:
            Thread(target=self._work, name=f"graftage-{self._started}", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            _run(*self._jobs.get())
            with self._lock:
                self._unclaimed -= 1


def _run(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], call: Callable[[], Any]) -> None:
    try:
        outcome = call()
    except BaseException as error:
        failure = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
        if isinstance(error, StopIteration):  # a future cannot carry it
            failure = RuntimeError(f"StopIteration: {error}")
        report: Callable[[], None] = lambda: future.set_exception(failure)  # noqa: E731
    else:
        report = lambda: future.set_result(outcome)  # noqa: E731

    with suppress(RuntimeError):  # the loop has ended: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if future.done() else report())
