"""Ending work for a client that has gone away."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from starlette.requests import ClientDisconnect
from starlette.types import Receive

# Listening for the end of a connection costs a task. Most answers are there before this time has passed, and
# work that is nearly done is not worth stopping.
PATIENCE_SECONDS: Final = 0.05


class WhileConnected:
    """Cancels what runs inside ``with WhileConnected(receive):`` when the client goes away.

    The request's body has to be read by then. Raises ClientDisconnect in place of the cancellation.
    """

    def __init__(self, receive: Receive, *, patience: float = PATIENCE_SECONDS) -> None:
        self._receive = receive
        self._patience = patience
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a request is answered inside a task"
        self._task = task
        self._loop = task.get_loop()
        self._timer = self._loop.call_later(self._patience, self._start_watching)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        # Another cancellation beside ours, as at shutdown, is not ours to end.
        if self._gone and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise ClientDisconnect from error

    def _start_watching(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
