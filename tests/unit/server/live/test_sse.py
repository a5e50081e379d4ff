"""`/api/live/sse/*` with a real HTTP client, and a plugin in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import CallFailed, GraftageError, NotImplementedByPlugin, PluginNotRunning
from graftage.server.live import broadcast, sse
from graftage.server.live.streams import Options, Streams
from graftage.server.routes import live
from support.in_memory import app_with
from support.serving import serving
from support.streaming import FULL, QUICK, SCHEMA, OneSource, Packets, StreamingPlugin, row, streams_of
from support.wait import eventually_async

PATH = "/api/live/sse/ds/u1/rates"


@asynccontextmanager
async def live_server(
    plugin: StreamingPlugin, source: OneSource | None = None, options: Options = QUICK
) -> AsyncIterator[tuple[httpx.AsyncClient, Streams]]:
    async with streams_of(plugin, source, options) as streams:
        app = app_with(*live.routes(streams=streams, caller=lambda _: None))
        async with (
            serving(app) as address,
            httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http,
        ):
            yield http, streams


async def test_each_packet_is_an_event() -> None:
    async def stream(request: StreamRequest) -> Packets:
        yield FULL
        yield b'{"data":\n{"values":[[1]]}}'
        await asyncio.Event().wait()

    plugin = StreamingPlugin(stream, subscribing=StreamAnswer(0, b'{"hello":1}'))
    async with live_server(plugin) as (http, _), http.stream("GET", PATH) as answer:
        lines = answer.aiter_lines()
        read = [await anext(lines) for _ in range(6)]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert read == [
        'data: {"hello":1}',
        "",
        f"data: {FULL.decode()}",
        "",
        'data: {"data": {"values":[[1]]}}',
        "",
    ]


async def test_a_late_reader_is_told_the_schema_and_shares_the_stream() -> None:
    plugin = StreamingPlugin()
    async with live_server(plugin) as (http, _), http.stream("GET", PATH) as early:
        assert await anext(early.aiter_lines()) == f"data: {FULL.decode()}"
        async with http.stream("GET", f"{PATH.replace('ds/', '1/ds/')}") as late:
            assert await anext(late.aiter_lines()) == f"data: {SCHEMA}"
        assert len(plugin.runs) == 1


async def test_who_goes_away_lets_the_stream_end() -> None:
    plugin = StreamingPlugin()
    async with live_server(plugin) as (http, streams):
        async with http.stream("GET", PATH) as answer:
            await anext(answer.aiter_lines())
            assert plugin.running == 1
        await eventually_async(lambda: plugin.running == 0 and not streams.channels())


@pytest.mark.parametrize(
    ("path", "subscribing", "status", "message"),
    [
        ("/api/live/sse/ds/u1", StreamAnswer(0), 400, "invalid channel ID"),
        ("/api/live/sse/ds/u1/a%20b", StreamAnswer(0), 400, "invalid channel ID"),
        ("/api/live/sse/2/ds/u1/a", StreamAnswer(0), 403, "permission denied"),
        ("/api/live/sse/ds/other/a", StreamAnswer(0), 404, "there is no data source 'other'"),
        ("/api/live/sse/plugin/other/a", StreamAnswer(0), 404, "there is no plugin 'other'"),
        ("/api/live/sse/grafana/other/a", StreamAnswer(0), 404, "there is no grafana 'other'"),
        (PATH, StreamAnswer(1), 404, "plugin 'probe' has no channel 'rates'"),
        (PATH, StreamAnswer(2), 403, "Forbidden"),
        (PATH, StreamAnswer(7), 500, "Internal Server Error"),
        (PATH, PluginNotRunning("down"), 503, "down"),
        (PATH, CallFailed("UNKNOWN", "the url is missing"), 503, "the url is missing"),
    ],
)
async def test_a_refusal_is_an_answer_with_its_status(
    path: str, subscribing: StreamAnswer | GraftageError, status: int, message: str
) -> None:
    async with live_server(StreamingPlugin(subscribing=subscribing)) as (http, _):
        answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (status, {"message": message})


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CallFailed("UNKNOWN", "int is no table"), "int is no table"),
        (NotImplementedByPlugin("it has no streams", version=2), "it has no streams"),
        (RuntimeError("a bug of ours"), "internal server error"),
    ],
)
async def test_a_stream_that_fails_is_an_event(error: Exception, message: str) -> None:
    async def stream(request: StreamRequest) -> Packets:
        yield FULL
        raise error

    async with live_server(StreamingPlugin(stream)) as (http, _), http.stream("GET", PATH) as answer:
        lines = answer.aiter_lines()
        read = [await anext(lines) for _ in range(5)]
    assert read[2:] == ["event: failure", f'data: {{"message": "{message}"}}', ""]


async def test_head_tells_the_type_and_asks_nobody() -> None:
    plugin = StreamingPlugin()
    async with live_server(plugin) as (http, _):
        answer = await http.head(PATH)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.status_code, plugin.asked) == (200, [])


async def test_a_channel_may_be_percent_encoded() -> None:
    plugin = StreamingPlugin()
    async with (
        live_server(plugin) as (http, _),
        http.stream("GET", "/api/live/sse/ds%2Fu1%2Fa%3Db") as answer,
    ):
        await anext(answer.aiter_lines())
    assert plugin.runs[0].path == "a=b"


@pytest.mark.parametrize("end", ["source", "server"])
async def test_the_answer_ends_with_the_data_source_and_with_the_server(end: str) -> None:
    source = OneSource()
    async with (
        live_server(StreamingPlugin(), source) as (http, streams),
        http.stream("GET", PATH) as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        if end == "source":
            source.settings = None
        else:
            streams.close()
        assert [line async for line in lines] == [""]


async def test_a_reader_that_cannot_keep_up_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "PATIENCE_SECONDS", 0.05)

    async def flood(request: StreamRequest) -> Packets:
        while True:
            yield b'"' + b"x" * 30_000 + b'"'

    async with (
        live_server(StreamingPlugin(flood)) as (http, streams),
        http.stream("GET", PATH) as answer,
    ):
        await eventually_async(lambda: not streams.channels())
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_a_silent_channel_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.01)

    async def silent(request: StreamRequest) -> Packets:
        await asyncio.Event().wait()
        yield row(1)

    async with live_server(StreamingPlugin(silent)) as (http, _), http.stream("GET", PATH) as answer:
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(4)] == [":", "", ":", ""]
