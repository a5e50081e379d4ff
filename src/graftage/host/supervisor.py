"""Keeps the process of one plugin running, and hands calls to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from graftage.errors import GraftageError, PluginNotRunning, PluginUnavailable
from graftage.host.exit_status import Lost
from graftage.host.launch import StartFailed
from graftage.host.supervision import (
    BackOff,
    Due,
    Event,
    Exited,
    NotStarted,
    PluginStatus,
    Standing,
    Started,
    State,
    StopAsked,
    next_standing,
)
from graftage.protocol.log_record import read_log_line

# A call that breaks off usually means that the process is ending. Its exit is known a moment later and is
# what the caller wants to read; if it does not come, the connection alone was lost.
EXIT_NOTICE = 1.0
# How much of what a plugin wrote last is repeated in an error message; the status has all that is kept.
QUOTED_LINES = 6
QUOTED_CHARACTERS = 200

LEVELS = {
    State.STARTING: logging.INFO,
    State.RUNNING: logging.INFO,
    State.BACKING_OFF: logging.WARNING,
    State.FAILED: logging.ERROR,
    State.STOPPED: logging.INFO,
}


class Process(Protocol):
    """What is asked of a launched plugin."""

    @property
    def pid(self) -> int: ...
    @property
    def stderr_tail(self) -> Sequence[str]: ...
    @property
    def exited(self) -> asyncio.Event: ...
    async def wait_exit(self) -> object: ...


Running = TypeVar("Running", bound=Process)
T = TypeVar("T")


class Supervisor(Generic[Running]):
    """One plugin from `start` to `stop`: launched, watched, launched again by the table of `supervision`.

    launch: makes one process; its block ends when that is gone. Called anew for each start.
    is_hopeless: whether a start that failed like this can only fail again.
    now: the time of day, for the status. chance: a random number from 0 up to 1, for the jitter.
    address: where the plugin runs, if that is not here.
    """

    def __init__(
        self,
        plugin_id: str,
        version: str,
        launch: Callable[[], AbstractAsyncContextManager[Running]],
        *,
        policy: BackOff,
        is_hopeless: Callable[[Exception], bool],
        now: Callable[[], datetime],
        chance: Callable[[], float],
        logger: logging.Logger,
        address: str = "",
    ) -> None:
        self._id = plugin_id
        self._address = address
        self._version = version
        self._launch = launch
        self._policy = policy
        self._is_hopeless = is_hopeless
        self._now = now
        self._chance = chance
        self._logger = logger
        self._standing = Standing()
        self._since = now()
        self._due = 0.0  # when the wait is over, by the event loop's clock
        self._process: Running | None = None  # the one that is `running`; it may have ended this very moment
        self._restarts = 0
        self._last_exit = ""
        self._stderr_tail: tuple[str, ...] = ()
        self._reason = ""
        self._last_words = ""  # what an error message repeats of a process that ended
        self._changed = asyncio.Event()  # replaced at each change, so that every waiter sees each one
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> PluginStatus:
        process = self._process
        is_alive = process is not None and not process.exited.is_set()
        return PluginStatus(
            id=self._id,
            version=self._version,
            state=self._standing.state,
            since=self._since,
            pid=(process.pid or None) if process and is_alive else None,
            restarts=self._restarts,
            last_exit=self._last_exit,
            stderr_tail=tuple(process.stderr_tail) if process else self._stderr_tail,
            reason=self._reason,
            address=self._address,
        )

    def start(self) -> None:
        """Begin to supervise; returns before the plugin is up."""
        self._logger.log(LEVELS[State.STARTING], "%s", self._standing_text(), extra=self._extra())
        self._task = asyncio.create_task(self._supervise(), name=f"supervise {self._id}")
        self._task.add_done_callback(self._ended)

    def stop(self) -> asyncio.Task[None] | None:
        """Ask for the end. Returns the task that is done once nothing is left of the plugin."""
        if self._standing.state is not State.STOPPED:
            self._stderr_tail = self.status.stderr_tail
            self._process = None
            self._reason = ""
            self._move(StopAsked())
            # Not more than once: a second cancellation would interrupt the very clearing away.
            if self._task is not None:
                self._task.cancel()
        return self._task

    async def call(self, ask: Callable[[Running, float], Awaitable[T]], *, timeout: float) -> T:
        """What `ask` returns of the running process and the seconds left for it, within `timeout` seconds.

        While there is no process yet, it is waited for. Raises PluginNotRunning if it does not come up in
        time, has failed or was stopped, and PluginUnavailable if it ended during the call. Such a call is not
        repeated: nobody knows how far the plugin got with it, or whether it is what ends it. Otherwise raises
        what `ask` raises.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        process = await self._running(deadline)
        try:
            return await ask(process, max(0.0, deadline - loop.time()))
        except PluginUnavailable as error:
            await self._check_has_not_ended(error, process, deadline)
            raise

    async def pieces(
        self, ask: Callable[[Running, float | None], AsyncGenerator[T, None]], *, timeout: float | None
    ) -> AsyncGenerator[T, None]:
        """As `call`, for what comes in pieces; `timeout` is for all of them, None for no limit."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        process = await self._running(deadline)
        left = None if deadline is None else max(0.0, deadline - loop.time())
        try:
            async with aclosing(ask(process, left)) as pieces:
                async for piece in pieces:
                    yield piece
        except PluginUnavailable as error:
            await self._check_has_not_ended(error, process, deadline)
            raise

    async def _running(self, deadline: float | None) -> Running:
        # A process that has just ended may not have been noticed yet; nothing is sent to it any more.
        while self._process is None or self._process.exited.is_set():
            match self._standing.state:
                case State.FAILED | State.STOPPED:
                    raise PluginNotRunning(self._standing_text())
                case State.BACKING_OFF if deadline is not None and self._due > deadline:
                    raise PluginNotRunning(self._standing_text())
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                raise PluginNotRunning(self._standing_text()) from None
        return self._process

    async def _check_has_not_ended(
        self, error: PluginUnavailable, process: Running, deadline: float | None
    ) -> None:
        """Raise PluginUnavailable, with how the process ended, if that is what the call broke off for."""
        notice = asyncio.get_running_loop().time() + EXIT_NOTICE
        with suppress(TimeoutError):
            async with asyncio.timeout_at(notice if deadline is None else min(deadline, notice)):
                while self._process is process:
                    await self._changed.wait()
        if self._process is not process:
            raise PluginUnavailable(f"the call broke off: {self._standing_text()}") from error

    async def _supervise(self) -> None:
        while True:
            await self._live()
            if self._standing.state is State.STOPPED:
                return
            # The wait began when the process ended, not when its remains were cleared away.
            await asyncio.sleep(self._due - asyncio.get_running_loop().time())
            self._restarts += 1
            self._move(Due())

    async def _live(self) -> None:
        """One process, from the attempt to start it until nothing is left of it."""
        loop = asyncio.get_running_loop()
        process: Running | None = None
        failure: Exception | None = None
        end: object = None
        last_exit = ""
        began = ended = loop.time()
        try:
            async with self._launch() as process:
                began = loop.time()
                self._process = process
                self._reason = self._last_words = ""
                self._move(Started())
                end = await process.wait_exit()
                last_exit = str(end)
                ended = loop.time()
        except Exception as error:
            failure = error
            ended = loop.time()
            if not isinstance(error, GraftageError | OSError):
                self._logger.exception("supervising plugin %s failed", self._id, extra=self._extra())
        # Only now is all that it wrote read. A stop asked meanwhile has had the last word already.
        if self._standing.state is State.RUNNING and process is not None:
            self._process = None
            self._last_exit = last_exit
            self._stderr_tail = tuple(process.stderr_tail)
            ended_with = f"it was lost: {end}" if isinstance(end, Lost) else f"its process ended with {end}"
            self._reason = ended_with if last_exit else str(failure)
            self._last_words = _quoted(self._stderr_tail)
            self._move(Exited(ended - began), at=ended)
        elif self._standing.state is State.STARTING and failure is not None:
            if isinstance(failure, StartFailed):
                self._last_exit = str(failure.exit_status or self._last_exit)
                self._stderr_tail = failure.stderr_tail
            self._reason = str(failure)  # it tells by itself what the process wrote
            self._last_words = ""
            self._move(NotStarted(hopeless=self._is_hopeless(failure)), at=ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._logger.error(
                "supervising plugin %s broke off", self._id, exc_info=error, extra=self._extra()
            )
            self.stop()

    def _move(self, event: Event, *, at: float = 0.0) -> None:
        """Take note of an event. at: when a wait begins, by the event loop's clock."""
        self._standing = next_standing(self._standing, event, self._policy, self._chance())
        self._since = self._now()
        self._due = at + self._standing.wait
        # Why it is started again was said when it came to wait for that.
        text = self._standing_text(because=self._standing.state is not State.STARTING)
        self._logger.log(LEVELS[self._standing.state], "%s", text, extra=self._extra())
        self._changed.set()
        self._changed = asyncio.Event()

    def _standing_text(self, *, because: bool = True) -> str:
        """A sentence for the log, and for the person whose query cannot be answered now."""
        text = f"plugin {self._id!r} is {self._standing.state}"
        if self._address:
            text += f" at {self._address}"
        elif self._process is not None:
            text += f" as process {self._process.pid}"
        if self._standing.wait:
            left = max(0.0, self._due - asyncio.get_running_loop().time())
            text += f", to be started again in {left:.1f} s"
        if self._reason and because:
            text += f": {self._reason}{self._last_words}"
        return text

    def _extra(self) -> dict[str, object]:
        return {"plugin_id": self._id, "state": str(self._standing.state)}


def _quoted(stderr_tail: Sequence[str]) -> str:
    """What a plugin wrote last, for a person: of log records the message, and only if it is about trouble."""
    said = []
    for line in stderr_tail:
        record, _ = read_log_line(line.encode(), panicking=False)
        is_plain = record.message == line
        if record.message.strip() and (is_plain or record.level >= logging.WARNING):
            said.append(record.message[:QUOTED_CHARACTERS])
    return f"; the last it wrote to stderr: {' / '.join(said[-QUOTED_LINES:])}" if said else ""
