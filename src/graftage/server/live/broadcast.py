"""One stream of a plugin, passed on to all who listen to its channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from graftage.backend.stream import StreamRequest
from graftage.errors import GraftageError, NotImplementedByPlugin, WireError, for_log
from graftage.server.callee import Callee
from graftage.server.live.channel import Channel
from graftage.server.live.outbox import Outbox
from graftage.server.live.packet import Packet, read_packet
from graftage.server.live.refusal import INTERNAL
from graftage.server.live.standing import NEXT, Event, State, failures_in_a_row, wait_seconds

# How long a plugin waits for subscribers of whom not one makes progress, before they are given up.
PATIENCE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)

Run = Callable[[str, StreamRequest], AsyncGenerator[bytes, None]]


class Subscriber(Protocol):
    """Whoever listens. outbox: where what it is sent waits."""

    outbox: Outbox

    def pass_on(self, text: str) -> None:
        """Put a packet into the outbox."""

    def tell_failure(self, text: str) -> None:
        """The stream broke off; mostly it is run again soon."""

    def dismiss(self) -> None:
        """There is no such channel any more."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream comes from. data: what the first subscriber had to say to the plugin, as JSON."""

    callee: Callee
    path: str
    data: bytes

    @property
    def version(self) -> tuple[int, int]:
        """Another one when the data source has other settings."""
        settings = self.callee.context.data_source
        return (settings.id, settings.updated_ms) if settings is not None else (0, 0)


class Broadcast:
    """Asks the plugin for the stream while somebody listens, once however many do.

    run: the call. linger: the seconds for which a stream goes on without subscribers. max_packet: the largest
    one passed on, in bytes. on_idle: called when there is neither a stream nor a subscriber any more.
    """

    def __init__(
        self,
        channel: Channel,
        source: Source,
        run: Run,
        *,
        linger: float,
        max_packet: int,
        on_idle: Callable[[Broadcast], None],
    ) -> None:
        self.channel = channel
        self.source = source
        self.schema = ""
        self._state = State.IDLE
        self._run = run
        self._linger = linger
        self._max_packet = max_packet
        self._on_idle = on_idle
        self._subscribers: list[Subscriber] = []
        self._failures = 0
        self._turn = asyncio.Lock()  # held while the plugin is asked, its handler's clearing away included
        self._task: asyncio.Task[None] | None = None  # the run that is wanted
        self._tasks: set[asyncio.Task[None]] = set()  # that one, and those that are being ended
        self._wait: asyncio.TimerHandle | None = None
        self._deserted: asyncio.TimerHandle | None = None

    def join(self, subscriber: Subscriber) -> None:
        """From now on it gets every packet."""
        self._subscribers.append(subscriber)
        if self._deserted is not None:
            self._deserted.cancel()
        self._move(Event.WANTED)

    def leave(self, subscriber: Subscriber) -> None:
        self._subscribers.remove(subscriber)
        if not self._subscribers:
            loop = asyncio.get_running_loop()
            self._deserted = loop.call_later(self._linger, self._move, Event.UNWANTED)

    def pass_on(self, packet: Packet) -> None:
        """Send a packet to every subscriber."""
        if packet.schema:
            self.schema = packet.schema
        for subscriber in tuple(self._subscribers):
            subscriber.pass_on(packet.text)

    def change(self, source: Source) -> None:
        """The data source has other settings."""
        self.source = source
        self._move(Event.CHANGED)

    def dismiss(self) -> None:
        """The data source is gone, and so is the channel."""
        for subscriber in tuple(self._subscribers):
            subscriber.dismiss()
        self._move(Event.UNWANTED)

    async def stop(self) -> None:
        """End the stream, for good. Returns when the plugin is no longer asked."""
        self._move(Event.UNWANTED)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _move(self, event: Event) -> None:
        state = NEXT.get((self._state, event))
        if state is None:
            return
        self._state = state
        if self._wait is not None:
            self._wait.cancel()
        match state:
            case State.RUNNING:
                self._cancel()
                self._task = asyncio.create_task(self._attempt(), name=f"stream {self.channel}")
                self._tasks.add(self._task)
                self._task.add_done_callback(self._ended)
            case State.WAITING:
                loop = asyncio.get_running_loop()
                self._wait = loop.call_later(wait_seconds(self._failures), self._move, Event.DUE)
            case State.IDLE:
                self._cancel()
                self._tell_if_idle()

    def _cancel(self) -> None:
        # Once: a second time would interrupt the plugin's call in its clearing away.
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._tell_if_idle()

    def _tell_if_idle(self) -> None:
        if self._state is State.IDLE and not self._tasks and not self._subscribers:
            if self._deserted is not None:
                self._deserted.cancel()
            self._on_idle(self)

    async def _attempt(self) -> None:
        """Run the stream once. The plugin is asked only when it no longer runs the one before."""
        async with self._turn:
            self.schema = ""
            loop = asyncio.get_running_loop()
            began = loop.time()
            event = Event.FINISHED
            try:
                await self._pass_on_all()
                self._failures = 0
            except NotImplementedByPlugin as error:
                self._tell(logging.WARNING, "there is no stream: %s", error)
                self._tell_subscribers(error)
            except Exception as error:
                self._failures = failures_in_a_row(self._failures, loop.time() - began)
                self._tell_of_failure(error)
                self._tell_subscribers(error)
                event = Event.FAILED
        if asyncio.current_task() is self._task:
            self._move(event)

    async def _pass_on_all(self) -> None:
        callee = self.source.callee
        request = StreamRequest(callee.context, self.source.path, self.source.data)
        dropped = 0
        async with aclosing(self._run(callee.plugin_id, request)) as packets:
            async for data in packets:
                try:
                    self.pass_on(read_packet(data, limit=self._max_packet))
                except WireError as error:
                    dropped += 1
                    if dropped == 1:  # of a plugin that only sends such there could be a million
                        self._tell(logging.WARNING, "a packet is dropped, as more may be: %s", error)
                await self._let_subscribers_follow()

    async def _let_subscribers_follow(self) -> None:
        """Hold a plugin that is faster than all of its subscribers to the pace of the fastest."""
        behind = [subscriber.outbox for subscriber in self._subscribers]
        if not behind or not all(outbox.is_behind for outbox in behind):
            await asyncio.sleep(0)  # whatever the plugin sends, others get their turn
            return
        waits = [asyncio.ensure_future(outbox.room()) for outbox in behind]
        try:
            done, _ = await asyncio.wait(waits, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not done:
            for outbox in behind:
                outbox.give_up()

    def _tell_of_failure(self, error: Exception) -> None:
        if not isinstance(error, GraftageError):
            _log.exception("streaming %s broke off", self.channel)
        elif self._failures == 1:
            self._tell(logging.WARNING, "the stream failed, and is tried again: %s", error)
        else:
            self._tell(logging.DEBUG, "the stream failed again: %s", error)

    def _tell_subscribers(self, error: Exception) -> None:
        text = for_log(error) if isinstance(error, GraftageError) else INTERNAL.message
        for subscriber in tuple(self._subscribers):
            subscriber.tell_failure(text)

    def _tell(self, level: int, text: str, error: Exception) -> None:
        extra = {"plugin_id": self.source.callee.plugin_id, "channel": str(self.channel)}
        _log.log(level, text, for_log(error), extra=extra)
