"""A plugin that streams what a test says, in this process, and those who listen to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from graftage.backend.context import DataSourceSettings, PluginContext, User, context_of
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import GraftageError
from graftage.server.callee import Callee, Missing
from graftage.server.live.outbox import Limit, Outbox
from graftage.server.live.streams import Options, Streams

OK = StreamAnswer(0)
FULL = b'{"schema":{"fields":[{"name":"x"}]},"data":{"values":[[0]]}}'
SCHEMA = '{"schema":{"fields":[{"name":"x"}]}}'
QUICK = Options(call=5.0, linger=0.02, look=0.01)


def row(number: int) -> bytes:
    return b'{"data":{"values":[[%d]]}}' % number


Packets = AsyncGenerator[bytes, None]


async def for_ever(request: StreamRequest) -> Packets:
    """One whole frame, and then nothing."""
    yield FULL
    await asyncio.Event().wait()


@dataclass
class StreamingPlugin:
    """What a host has for `Streams`. stream: what is run for a request. Notes what it was asked."""

    stream: Callable[[StreamRequest], Packets] = for_ever
    subscribing: StreamAnswer | GraftageError = OK
    publishing: StreamAnswer | GraftageError = OK
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    runs: list[StreamRequest] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    async def subscribe_stream(
        self, plugin_id: str, request: StreamRequest, *, timeout: float
    ) -> StreamAnswer:
        return self._answer("subscribe", request, self.subscribing)

    async def publish_stream(self, plugin_id: str, request: StreamRequest, *, timeout: float) -> StreamAnswer:
        return self._answer("publish", request, self.publishing)

    async def run_stream(self, plugin_id: str, request: StreamRequest) -> Packets:
        self.runs.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            async with aclosing(self.stream(request)) as packets:
                async for packet in packets:
                    yield packet
        finally:
            await asyncio.sleep(0.01)  # to cancel a call takes a moment
            self.running -= 1

    def _answer(
        self, what: str, request: StreamRequest, answer: StreamAnswer | GraftageError
    ) -> StreamAnswer:
        self.asked.append((what, request.path, request.data))
        if isinstance(answer, GraftageError):
            raise answer
        return answer


class OneSource:
    """The data source `u1` and the plugin `app`, as `Callees` finds them. settings: None when it is gone."""

    def __init__(self) -> None:
        self.settings: DataSourceSettings | None = DataSourceSettings(1, 1, "One", "probe", uid="u1")

    def source_by_uid(self, uid: str, user: User | None) -> Callee | Missing:
        if self.settings is None or uid != self.settings.uid:
            return Missing.SOURCE
        return Callee("probe", context_of(self.settings, user=user))

    def plugin(self, plugin_id: str, user: User | None) -> Callee | Missing:
        return Callee("app", PluginContext(1, "app", user=user)) if plugin_id == "app" else Missing.PLUGIN


class Listening:
    """A subscriber that keeps up, if it is told to. texts: what it got. failures: of the stream."""

    def __init__(self, limit: Limit | None = None) -> None:
        self.texts: list[str] = []
        self.failures: list[str] = []
        self.is_slow = False
        self.is_dismissed = False
        self.outbox = Outbox(limit or Limit(), self._overflowed)

    def pass_on(self, text: str) -> None:
        self.outbox.put(text)

    def tell_failure(self, text: str) -> None:
        self.failures.append(text)

    def dismiss(self) -> None:
        self.is_dismissed = True

    def _overflowed(self) -> None:
        self.is_slow = True

    async def keep_up(self) -> None:
        """Read until it is cancelled."""
        while True:
            self.texts += await self.outbox.take()


@asynccontextmanager
async def streams_of(
    plugin: StreamingPlugin, source: OneSource | None = None, options: Options = QUICK
) -> AsyncIterator[Streams]:
    async with Streams(plugin, source or OneSource(), options) as streams:
        yield streams
