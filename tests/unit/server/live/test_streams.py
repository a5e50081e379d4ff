"""Many subscribers and one stream, with a plugin in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from graftage.backend.context import User
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import CallFailed, NotImplementedByPlugin, PluginTimeout, PluginUnavailable
from graftage.server.callee import Callee, Missing
from graftage.server.live import broadcast, standing
from graftage.server.live.outbox import Limit
from graftage.server.live.refusal import FAILED, FORBIDDEN, INTERNAL, NOT_FOUND, Refusal
from graftage.server.live.streams import Streams, Subscription
from support.streaming import (
    FULL,
    QUICK,
    SCHEMA,
    Listening,
    OneSource,
    Packets,
    StreamingPlugin,
    for_ever,
    row,
    streams_of,
)
from support.wait import eventually_async

CHANNEL = "ds/u1/rates"
USER = User("me")


async def subscribed(streams: Streams, listener: Listening, channel: str = CHANNEL) -> Subscription:
    answer = await streams.subscribe(channel, b"", USER, listener)
    assert isinstance(answer, Subscription)
    return answer


@asynccontextmanager
async def keeping_up(*listeners: Listening) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(listener.keep_up()) for listener in listeners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


class Feed:
    """A stream that a test sends, packet by packet, and ends or breaks."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    async def __call__(self, request: StreamRequest) -> Packets:
        while (packet := await self.queue.get()) is not None:
            if isinstance(packet, Exception):
                raise packet
            yield packet

    def send(self, *packets: bytes | Exception | None) -> None:
        for packet in packets:
            self.queue.put_nowait(packet)


@pytest.mark.parametrize(
    ("status", "refusal"), [(1, NOT_FOUND), (2, FORBIDDEN), (3, FAILED), (-1, FAILED), (0, None)]
)
async def test_the_plugin_decides_who_may_subscribe_and_publish(status: int, refusal: Refusal | None) -> None:
    plugin = StreamingPlugin(subscribing=StreamAnswer(status), publishing=StreamAnswer(status))
    async with streams_of(plugin) as streams:
        answer = await streams.subscribe(CHANNEL, b'{"a":1}', USER, Listening())
        assert answer == refusal or (refusal is None and isinstance(answer, Subscription))
        assert await streams.publish(CHANNEL, b"{}", USER) == refusal
    assert plugin.asked == [("subscribe", "rates", b'{"a":1}'), ("publish", "rates", b"{}")]


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (NotImplementedByPlugin("v1", version=1), NOT_FOUND),
        (PluginUnavailable("down"), INTERNAL),
        (PluginTimeout("hangs"), INTERNAL),
        (CallFailed("UNKNOWN", "panic"), INTERNAL),
    ],
)
async def test_a_call_that_fails_is_refused_for_now_unless_the_plugin_lacks_it(
    error: CallFailed, refusal: Refusal
) -> None:
    async with streams_of(StreamingPlugin(subscribing=error, publishing=error)) as streams:
        assert await streams.subscribe(CHANNEL, b"", USER, Listening()) == refusal
        assert await streams.publish(CHANNEL, b"{}", USER) == refusal
        assert streams.channels() == ()


@pytest.mark.parametrize("channel", ["ds/other/x", "plugin/other/x", "grafana/dashboard/x", "stream/u1/x"])
async def test_a_channel_of_nobody_is_not_found(channel: str) -> None:
    plugin = StreamingPlugin()
    async with streams_of(plugin) as streams:
        assert await streams.subscribe(channel, b"", USER, Listening()) == NOT_FOUND
    assert plugin.asked == []


async def test_a_plugin_has_channels_without_a_data_source() -> None:
    plugin = StreamingPlugin()
    async with streams_of(plugin) as streams:
        await subscribed(streams, Listening(), "plugin/app/a/b")
        await eventually_async(lambda: plugin.runs)
    (run,) = plugin.runs
    assert (run.path, run.context.plugin_id, run.context.data_source) == ("a/b", "app", None)


async def test_however_many_subscribe_the_plugin_runs_the_stream_once() -> None:
    feed, plugin = Feed(), StreamingPlugin()
    plugin.stream = feed
    listeners = [Listening() for _ in range(5)]
    async with streams_of(plugin) as streams, keeping_up(*listeners):
        for listener in listeners:
            await subscribed(streams, listener)
        feed.send(FULL, row(1))
        expected = [FULL.decode(), row(1).decode()]
        await eventually_async(lambda: all(listener.texts == expected for listener in listeners))
        assert (len(plugin.runs), plugin.running) == (1, 1)


async def test_the_same_channel_with_and_without_the_organisation_is_one_stream() -> None:
    plugin = StreamingPlugin()
    async with streams_of(plugin) as streams:
        await subscribed(streams, Listening(), CHANNEL)
        await subscribed(streams, Listening(), f"1/{CHANNEL}")
        await subscribed(streams, Listening(), "ds/u1/other")
        await eventually_async(lambda: len(plugin.runs) == 2)
        assert sorted(run.path for run in plugin.runs) == ["other", "rates"]


async def test_a_stream_ends_some_time_after_its_last_subscriber_left() -> None:
    plugin = StreamingPlugin()
    async with streams_of(plugin) as streams:
        first, second = [await subscribed(streams, Listening()) for _ in range(2)]
        first.leave()
        await asyncio.sleep(QUICK.linger * 3)
        assert plugin.running == 1
        second.leave()
        assert plugin.running == 1
        await eventually_async(lambda: plugin.running == 0 and not streams.channels())


async def test_who_comes_back_in_time_finds_the_stream_going_on() -> None:
    plugin = StreamingPlugin()
    async with streams_of(plugin, options=replace(QUICK, linger=0.05)) as streams:
        (await subscribed(streams, Listening())).leave()
        await subscribed(streams, Listening())
        await asyncio.sleep(0.15)
        assert (len(plugin.runs), plugin.running) == (1, 1)


async def test_who_comes_while_a_stream_is_being_ended_waits_for_that() -> None:
    plugin = StreamingPlugin()
    async with streams_of(plugin, options=replace(QUICK, linger=0.0)) as streams:
        for _ in range(20):
            subscription = await subscribed(streams, Listening())
            await eventually_async(lambda: plugin.running == 1)
            subscription.leave()
            await asyncio.sleep(0.001)
        await subscribed(streams, Listening())
        await eventually_async(lambda: plugin.running == 1)
    assert plugin.most_running == 1
    assert plugin.running == 0


async def test_a_late_subscriber_is_told_the_schema_first() -> None:
    feed, plugin, early, late = Feed(), StreamingPlugin(), Listening(), Listening()
    plugin.stream = feed
    async with streams_of(plugin) as streams, keeping_up(early, late):
        assert (await subscribed(streams, early)).opening == []
        feed.send(FULL, row(1))
        await eventually_async(lambda: len(early.texts) == 2)
        assert (await subscribed(streams, late)).opening == [SCHEMA]
        feed.send(row(2))
        await eventually_async(lambda: late.texts)
        assert late.texts == [row(2).decode()]


async def test_a_schema_is_told_for_the_run_it_belongs_to() -> None:
    feed, plugin, early = Feed(), StreamingPlugin(), Listening()
    plugin.stream = feed
    async with streams_of(plugin) as streams, keeping_up(early):
        await subscribed(streams, early)
        feed.send(FULL, PluginUnavailable("restarting"))
        await eventually_async(lambda: len(plugin.runs) == 2)
        assert (await subscribed(streams, Listening())).opening == []
        feed.send(b'{"schema":{"new":1}}')
        await eventually_async(lambda: len(early.texts) == 2)
        assert (await subscribed(streams, Listening())).opening == ['{"schema":{"new":1}}']


async def test_what_the_plugin_has_for_a_new_subscriber_comes_before_the_schema() -> None:
    plugin = StreamingPlugin(subscribing=StreamAnswer(0, b'{"hello":1}'))
    async with streams_of(plugin) as streams:
        assert (await subscribed(streams, Listening())).opening == ['{"hello":1}']
        await eventually_async(lambda: plugin.running)
        await asyncio.sleep(0.01)
        assert (await subscribed(streams, Listening())).opening == ['{"hello":1}', SCHEMA]


async def test_a_stream_that_fails_is_run_again_after_a_while() -> None:
    times: list[float] = []

    async def fails(request: StreamRequest) -> Packets:
        times.append(asyncio.get_running_loop().time())
        yield row(len(times))
        raise CallFailed("UNKNOWN", "broken")

    listener = Listening()
    async with streams_of(StreamingPlugin(fails)) as streams, keeping_up(listener):
        await subscribed(streams, listener)
        await eventually_async(lambda: len(times) == 4)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert all(wait >= standing.wait_seconds(number) for number, wait in enumerate(waits, 1))
    assert listener.texts[:3] == [row(1).decode(), row(2).decode(), row(3).decode()]


async def test_a_crash_of_our_own_is_logged_and_the_stream_run_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed, plugin = Feed(), StreamingPlugin()
    plugin.stream = feed
    async with streams_of(plugin) as streams:
        await subscribed(streams, Listening())
        feed.send(RuntimeError("a bug"))
        await eventually_async(lambda: len(plugin.runs) == 2)
    assert "streaming ds/u1/rates broke off" in caplog.text


@pytest.mark.parametrize("end", [None, NotImplementedByPlugin("no streams", version=2)])
async def test_a_stream_that_the_plugin_ends_is_run_again_for_the_next_subscriber(
    end: Exception | None,
) -> None:
    feed, plugin = Feed(), StreamingPlugin()
    plugin.stream = feed
    async with streams_of(plugin) as streams:
        await subscribed(streams, Listening())
        feed.send(end)
        await eventually_async(lambda: plugin.runs and not plugin.running)
        await asyncio.sleep(standing.FIRST_WAIT_SECONDS * 2)
        assert len(plugin.runs) == 1
        await subscribed(streams, Listening())
        await eventually_async(lambda: len(plugin.runs) == 2)


async def test_other_settings_of_the_data_source_run_the_stream_anew() -> None:
    plugin, source = StreamingPlugin(), OneSource()
    async with streams_of(plugin, source) as streams:
        await subscribed(streams, Listening())
        await eventually_async(lambda: plugin.running)
        assert source.settings is not None
        source.settings = replace(source.settings, updated_ms=5, url="http://new")
        await eventually_async(lambda: len(plugin.runs) == 2)
        settings = plugin.runs[1].context.data_source
        assert settings is not None
        assert settings.url == "http://new"
        assert plugin.runs[1].context.user == USER
        await asyncio.sleep(QUICK.look * 3)
    assert (len(plugin.runs), plugin.most_running) == (2, 1)


async def test_settings_that_cannot_be_read_for_once_are_looked_at_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Odd(OneSource):
        failures = 0

        def source_by_uid(self, uid: str, user: User | None) -> Callee | Missing:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("a bug")
            return super().source_by_uid(uid, user)

    plugin, source = StreamingPlugin(), Odd()
    async with streams_of(plugin, source) as streams:
        await subscribed(streams, Listening())
        await eventually_async(lambda: plugin.running)
        assert source.settings is not None
        source.failures, source.settings = 1, replace(source.settings, updated_ms=5)
        await eventually_async(lambda: len(plugin.runs) == 2)
    assert "looking at the settings behind channel ds/u1/rates failed" in caplog.text


async def test_a_run_that_fails_for_being_ended_is_not_run_again() -> None:
    async def stream(request: StreamRequest) -> Packets:
        try:
            yield FULL
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise PluginUnavailable("the call broke off") from None

    plugin, source = StreamingPlugin(stream), OneSource()
    async with streams_of(plugin, source) as streams:
        await subscribed(streams, Listening())
        await eventually_async(lambda: plugin.running)
        assert source.settings is not None
        source.settings = replace(source.settings, updated_ms=5)
        await eventually_async(lambda: len(plugin.runs) == 2)
        await asyncio.sleep(standing.FIRST_WAIT_SECONDS * 2)
        assert len(plugin.runs) == 2


async def test_a_data_source_that_is_gone_ends_its_channels() -> None:
    plugin, source, listener = StreamingPlugin(), OneSource(), Listening()
    async with streams_of(plugin, source) as streams:
        subscription = await subscribed(streams, listener)
        await eventually_async(lambda: plugin.running)
        source.settings = None
        await eventually_async(lambda: listener.is_dismissed and not plugin.running)
        subscription.leave()
        await eventually_async(lambda: not streams.channels())


async def test_a_slow_subscriber_is_found_out_and_the_others_miss_nothing() -> None:
    feed, plugin = Feed(), StreamingPlugin()
    plugin.stream = feed
    fast, slow = Listening(), Listening(Limit(lines=100))
    async with streams_of(plugin) as streams, keeping_up(fast):
        for listener in (fast, slow):
            await subscribed(streams, listener)
        feed.send(*map(row, range(1000)))
        await eventually_async(lambda: len(fast.texts) == 1000)
    assert slow.is_slow
    assert not fast.is_slow
    assert fast.texts == [row(number).decode() for number in range(1000)]


async def test_a_plugin_that_floods_is_held_to_the_pace_of_the_fastest_subscriber() -> None:
    sent = 0

    async def flood(request: StreamRequest) -> Packets:
        nonlocal sent
        while True:
            sent += 1
            yield b'"' + b"x" * 1000 + b'"'

    listener = Listening()
    async with streams_of(StreamingPlugin(flood)) as streams:
        await subscribed(streams, listener)
        await eventually_async(lambda: listener.outbox.is_behind)
        before = sent
        await asyncio.sleep(0.05)
        assert (sent, listener.is_slow) == (before, False)
        await listener.outbox.take()
        await eventually_async(lambda: sent > before)


async def test_subscribers_of_whom_none_reads_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "PATIENCE_SECONDS", 0.01)

    async def flood(request: StreamRequest) -> Packets:
        while True:
            yield b'"' + b"x" * 1000 + b'"'

    listeners = Listening(), Listening()
    async with streams_of(StreamingPlugin(flood)) as streams:
        for listener in listeners:
            await subscribed(streams, listener)
        await eventually_async(lambda: all(listener.is_slow for listener in listeners))


@pytest.mark.parametrize("bad", [b"{", b'"\xff"', b"[" * 100_000, b'"' + b"x" * 2000 + b'"'])
async def test_packets_that_are_no_json_or_too_large_are_dropped_and_told_once(
    bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    feed, plugin, listener = Feed(), StreamingPlugin(), Listening()
    plugin.stream = feed
    options = replace(QUICK, queue=Limit(characters=1000))
    async with streams_of(plugin, options=options) as streams, keeping_up(listener):
        await subscribed(streams, listener)
        feed.send(bad, bad, row(1))
        await eventually_async(lambda: listener.texts)
    assert listener.texts == [row(1).decode()]
    assert caplog.text.count("a packet is dropped") == 1
    assert "xxxx" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "texts"), [(b'{"rewritten":1}', ['{"rewritten":1}']), (b"", []), (b"{", [])]
)
async def test_what_is_published_is_what_the_plugin_makes_of_it(answer: bytes, texts: list[str]) -> None:
    feed, plugin, listener = Feed(), StreamingPlugin(publishing=StreamAnswer(0, answer)), Listening()
    plugin.stream = feed
    async with streams_of(plugin) as streams, keeping_up(listener):
        await subscribed(streams, listener)
        assert await streams.publish(CHANNEL, b'{"mine":1}', USER) == (INTERNAL if answer == b"{" else None)
        feed.send(row(1))
        await eventually_async(lambda: row(1).decode() in listener.texts)
    assert listener.texts == [*texts, row(1).decode()]


async def test_one_can_publish_where_nobody_listens() -> None:
    plugin = StreamingPlugin(publishing=StreamAnswer(0, b"{}"))
    async with streams_of(plugin) as streams:
        assert await streams.publish(CHANNEL, b"{}", USER) is None
        assert streams.channels() == ()
    assert plugin.runs == []


@pytest.mark.parametrize("stream", [for_ever, Feed()])
async def test_no_stream_outlives_the_block(stream: Callable[[StreamRequest], Packets]) -> None:
    before = asyncio.all_tasks()
    plugin = StreamingPlugin(stream)
    async with streams_of(plugin, options=replace(QUICK, linger=60.0)) as streams:
        await subscribed(streams, Listening())
        (await subscribed(streams, Listening(), "ds/u1/other")).leave()
        await eventually_async(lambda: plugin.running == 2)
    assert plugin.running == 0
    assert asyncio.all_tasks() == before


async def test_when_it_closes_clients_are_sent_away_and_no_more_let_in() -> None:
    gone: list[str] = []
    async with streams_of(StreamingPlugin()) as streams:
        with streams.present(lambda: gone.append("early")):
            streams.close()
            assert gone == ["early"]
            with streams.present(lambda: gone.append("late")):
                assert gone == ["early", "late"]
        assert await streams.subscribe(CHANNEL, b"", USER, Listening()) == INTERNAL


async def test_a_log_about_a_stream_names_the_plugin_and_the_channel(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed, plugin = Feed(), StreamingPlugin()
    plugin.stream = feed
    async with streams_of(plugin) as streams:
        await subscribed(streams, Listening())
        feed.send(PluginUnavailable("it was killed"))
        await eventually_async(lambda: caplog.records)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "it was killed" in record.getMessage()
    assert vars(record)["plugin_id"] == "probe"
    assert vars(record)["channel"] == CHANNEL


@pytest.mark.parametrize("fails", ["subscribing", "streaming"])
async def test_the_log_keeps_the_beginning_of_a_long_reason_only(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = CallFailed("UNKNOWN", "x" * 1_000_000)
    feed = Feed()
    feed.send(error)
    plugin = StreamingPlugin(feed, subscribing=error if fails == "subscribing" else StreamAnswer(0))
    async with streams_of(plugin) as streams:
        await streams.subscribe(CHANNEL, b"", USER, Listening())
        await eventually_async(lambda: caplog.records)
    assert all(len(record.getMessage()) < 3000 for record in caplog.records)
    assert "cut here, of 1,000,000 characters" in caplog.text
