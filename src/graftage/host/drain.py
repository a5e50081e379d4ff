"""Reading what a plugin writes to a pipe, for as long as it lives, at a pace the host can bear."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import IO

from graftage.host.allowance import Allowance

_PORTION = 64 * 1024  # what a pipe holds on Linux
# Lines cost more than their bytes: each may become a log record. This many bytes more, for the pace.
_LINE_COST = 256


class Drain:
    """Reads a pipe until its end. It never stops for longer than the pace asks, so the writer never hangs.

    feed: takes what was read. finish: called once, at the end. The drain owns the pipe and closes it.
    """

    def __init__(
        self, pipe: IO[bytes], feed: Callable[[bytes], None], finish: Callable[[], None], pace: Allowance
    ) -> None:
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._feed = feed
        self._finish = finish
        self._pace = pace
        self._pause: asyncio.TimerHandle | None = None
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)

    def close(self) -> None:
        """Read no more: the end was reached, or somebody holds the pipe open for ever."""
        if self.ended.is_set():
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._pipe.fileno())
        self._pipe.close()
        self.ended.set()
        self._finish()

    def _read(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), _PORTION)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        self._feed(data)
        pause = self._pace.borrow(len(data) + _LINE_COST * data.count(b"\n"), self._loop.time())
        if pause > 0:
            self._loop.remove_reader(self._pipe.fileno())
            self._pause = self._loop.call_later(pause, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._pipe.fileno(), self._read)
