"""All channels that somebody listens to: who may, what is published, and for how long plugins stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

from graftage.backend.context import User
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import GraftageError, WireError, for_log
from graftage.server.callee import Callee, Missing
from graftage.server.live.broadcast import Broadcast, Source, Subscriber
from graftage.server.live.channel import DATA_SOURCE, PLUGIN, Channel, parse_channel
from graftage.server.live.outbox import Limit
from graftage.server.live.packet import Packet, opening, read_packet
from graftage.server.live.refusal import INTERNAL, NOT_FOUND, Refusal, refusal_of_error, refusal_of_status

_KINDS: Final[Mapping[str, str]] = {DATA_SOURCE: "data source", PLUGIN: "plugin"}

_log = logging.getLogger(__name__)


class Plugins(Protocol):
    """The calls; `Host` has them."""

    async def subscribe_stream(
        self, plugin_id: str, request: StreamRequest, *, timeout: float
    ) -> StreamAnswer: ...

    async def publish_stream(
        self, plugin_id: str, request: StreamRequest, *, timeout: float
    ) -> StreamAnswer: ...

    def run_stream(self, plugin_id: str, request: StreamRequest) -> AsyncGenerator[bytes, None]: ...


class Directory(Protocol):
    """Whom a channel belongs to; `Callees` knows."""

    def source_by_uid(self, uid: str, user: User | None) -> Callee | Missing: ...

    def plugin(self, plugin_id: str, user: User | None) -> Callee | Missing: ...


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds.

    call: how long a plugin may take to say whether somebody may subscribe or publish. linger: for how long a
    stream goes on when its last subscriber has left. look: how often the settings of data sources are looked
    at. queue: how much may wait for a client.
    """

    call: float = 30.0
    linger: float = 5.0
    look: float = 1.0
    queue: Limit = field(default_factory=Limit)


@dataclass(frozen=True, slots=True)
class Subscription:
    """opening: the texts that the subscriber is sent before those that it gets from now on. leave: end it."""

    opening: list[str]
    leave: Callable[[], None]


class Streams:
    """Runs streams while its block lasts."""

    def __init__(self, plugins: Plugins, directory: Directory, options: Options | None = None) -> None:
        self.options = options or Options()
        self._plugins = plugins
        self._find: Final[Mapping[str, Callable[[str, User | None], Callee | Missing]]] = {
            DATA_SOURCE: directory.source_by_uid,
            PLUGIN: directory.plugin,
        }
        self._broadcasts: dict[Channel, Broadcast] = {}
        self._present: set[Callable[[], None]] = set()
        self._is_closed = False
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look_at_settings(), name="settings of streams")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(broadcast.stop() for broadcast in tuple(self._broadcasts.values())))

    def close(self) -> None:
        """Send all clients away."""
        self._is_closed = True
        for leave in tuple(self._present):
            leave()

    @contextmanager
    def present(self, leave: Callable[[], None]) -> Iterator[None]:
        """Around the time for which a client is there. leave: called when it has to go."""
        self._present.add(leave)
        try:
            if self._is_closed:
                leave()
            yield
        finally:
            self._present.discard(leave)

    def channels(self) -> tuple[Channel, ...]:
        """Those that have a subscriber, or a stream."""
        return tuple(self._broadcasts)

    async def subscribe(
        self, text: str, data: bytes, user: User | None, subscriber: Subscriber
    ) -> Subscription | Refusal:
        """Listen to the channel with this id, if its plugin agrees.

        data: what the subscriber has to say to the plugin, as JSON; mostly empty. Nothing is passed on to the
        subscriber before who awaits this has got the answer.
        """
        asked = await self._ask(self._plugins.subscribe_stream, text, data, user)
        if isinstance(asked, Refusal):
            return asked
        if self._is_closed:
            return INTERNAL
        channel, source, answer = asked
        initial = self._packet(channel, answer.data) if answer.data else None
        broadcast = self._broadcasts.get(channel)
        if broadcast is None:
            broadcast = self._broadcasts[channel] = Broadcast(
                channel,
                source,
                self._plugins.run_stream,
                linger=self.options.linger,
                max_packet=self.options.queue.characters,
                on_idle=self._forget,
            )
        broadcast.join(subscriber)
        return Subscription(opening(initial, broadcast.schema), partial(broadcast.leave, subscriber))

    async def publish(self, text: str, data: bytes, user: User | None) -> Refusal | None:
        """Send JSON into a channel, or what the plugin makes of it; None if it agrees."""
        asked = await self._ask(self._plugins.publish_stream, text, data, user)
        if isinstance(asked, Refusal):
            return asked
        channel, _, answer = asked
        if not answer.data:
            return None
        packet = self._packet(channel, answer.data)
        if packet is None:
            return INTERNAL
        if (broadcast := self._broadcasts.get(channel)) is not None:
            broadcast.pass_on(packet)
        return None

    async def _ask(
        self, call: Callable[..., Awaitable[StreamAnswer]], text: str, data: bytes, user: User | None
    ) -> tuple[Channel, Source, StreamAnswer] | Refusal:
        channel = parse_channel(text)
        if isinstance(channel, Refusal):
            return channel
        callee = self._callee(channel, user)
        if isinstance(callee, Missing):
            return replace(
                NOT_FOUND,
                reason=f"there is no {_KINDS.get(channel.scope, channel.scope)} {channel.namespace!r}",
            )
        request = StreamRequest(callee.context, channel.path, data)
        try:
            answer = await call(callee.plugin_id, request, timeout=self.options.call)
        except GraftageError as error:
            _log.warning("channel %s: %s", channel, for_log(error), extra={"plugin_id": callee.plugin_id})
            return refusal_of_error(error)
        refusal = refusal_of_status(answer.status)
        if refusal == NOT_FOUND:
            return replace(NOT_FOUND, reason=f"plugin {callee.plugin_id!r} has no channel {channel.path!r}")
        return refusal or (channel, Source(callee, channel.path, data), answer)

    def _callee(self, channel: Channel, user: User | None) -> Callee | Missing:
        find = self._find.get(channel.scope)
        return Missing.PLUGIN if find is None else find(channel.namespace, user)

    def _packet(self, channel: Channel, data: bytes) -> Packet | None:
        try:
            return read_packet(data, limit=self.options.queue.characters)
        except WireError as error:
            _log.warning("channel %s: what the plugin answered is not sent: %s", channel, error)
            return None

    def _forget(self, broadcast: Broadcast) -> None:
        del self._broadcasts[broadcast.channel]

    async def _look_at_settings(self) -> None:
        while True:
            await asyncio.sleep(self.options.look)
            for broadcast in tuple(self._broadcasts.values()):
                try:
                    self._look_at(broadcast)
                except Exception:  # the others shall be looked at all the same
                    _log.exception("looking at the settings behind channel %s failed", broadcast.channel)

    def _look_at(self, broadcast: Broadcast) -> None:
        before = broadcast.source
        callee = self._callee(broadcast.channel, before.callee.context.user)
        if isinstance(callee, Missing):
            broadcast.dismiss()
            return
        now = Source(callee, before.path, before.data)
        if now.version != before.version:
            broadcast.change(now)
