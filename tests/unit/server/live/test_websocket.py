"""`/api/live/ws` with the clients that people use, and a plugin in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
import websockets
from centrifuge import (
    Client,
    ClientEventHandler,
    DisconnectedContext,
    PublicationContext,
    ReplyError,
    SubscribedContext,
    Subscription,
    SubscriptionErrorContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection

from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import PluginUnavailable
from graftage.server import websocket_protocol
from graftage.server.caller import ANYBODY
from graftage.server.live import broadcast
from graftage.server.live.outbox import Limit
from graftage.server.live.streams import Options, Streams
from graftage.server.live.websocket import Patience
from graftage.server.routes import live
from graftage.server.websocket_protocol import MESSAGE_LIMIT, WebSocketProtocol
from support.in_memory import app_with
from support.serving import serving
from support.streaming import FULL, QUICK, SCHEMA, OneSource, Packets, StreamingPlugin, row, streams_of
from support.wait import eventually_async

CHANNEL = "ds/u1/rates"


def anybody(_: HTTPConnection) -> Any:
    return ANYBODY


@asynccontextmanager
async def live_server(
    plugin: StreamingPlugin,
    source: OneSource | None = None,
    options: Options = QUICK,
    patience: Patience | None = None,
) -> AsyncIterator[tuple[str, Streams]]:
    """Yields the address, without its scheme, and what serves there."""
    async with streams_of(plugin, source, options) as streams:
        app = app_with(*live.routes(streams=streams, caller=anybody, patience=patience))
        async with serving(app, ws=WebSocketProtocol) as address:
            yield address, streams


class Seen(SubscriptionEventHandler):
    """What a subscription of the real client was told."""

    def __init__(self) -> None:
        self.publications: list[Any] = []
        self.subscribed: list[Any] = []
        self.unsubscribed: list[int] = []
        self.errors: list[object] = []

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.publications.append(ctx.pub.data)

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed.append(ctx.data)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.unsubscribed.append(ctx.code)

    async def on_error(self, ctx: SubscriptionErrorContext) -> None:
        self.errors.append(ctx.error)


class Fate(ClientEventHandler):
    def __init__(self) -> None:
        self.disconnected: list[int] = []
        self.connecting: list[int] = []

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        self.disconnected.append(ctx.code)

    async def on_connecting(self, ctx: Any) -> None:
        self.connecting.append(ctx.code)


@asynccontextmanager
async def client(address: str, fate: Fate | None = None) -> AsyncIterator[Client]:
    one = Client(f"ws://{address}/api/live/ws", events=fate, timeout=5.0, proxy=None)
    await one.connect()
    try:
        await one.ready(5.0)
        yield one
    finally:
        await one.disconnect()
        await eventually_async(lambda: not one._background_tasks)  # one of them closes the socket


async def subscribe(one: Client, channel: str = CHANNEL, data: Any = None) -> tuple[Subscription, Seen]:
    seen = Seen()
    subscription = one.new_subscription(channel, events=seen, data=data)
    await subscription.subscribe()
    await eventually_async(lambda: seen.subscribed or seen.unsubscribed or seen.errors)
    return subscription, seen


@asynccontextmanager
async def bare(address: str, *sent: object, **options: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket through which a test speaks the protocol by hand."""
    async with websockets.connect(f"ws://{address}/api/live/ws", proxy=None, **options) as socket:
        for command in sent:
            await socket.send(command if isinstance(command, str) else json.dumps(command))
        yield socket


async def farewell(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the server ends it, when all that came before is read."""
    with suppress(websockets.ConnectionClosedError):
        async for _ in socket:
            pass
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def test_a_client_subscribes_and_sees_what_the_plugin_streams() -> None:
    async def stream(request: StreamRequest) -> Packets:
        yield FULL
        yield row(1)
        await asyncio.Event().wait()

    plugin = StreamingPlugin(stream, subscribing=StreamAnswer(0, b'{"hello":1}'))
    async with live_server(plugin) as (address, _), client(address) as one:
        _, seen = await subscribe(one, data={"from": "me"})
        await eventually_async(lambda: len(seen.publications) == 2)
    assert seen.subscribed == [{"hello": 1}]
    assert seen.publications == [json.loads(FULL), json.loads(row(1))]
    assert plugin.asked == [("subscribe", "rates", b'{"from": "me"}')]


async def test_a_late_client_is_told_the_schema_when_it_subscribes() -> None:
    plugin = StreamingPlugin()
    async with live_server(plugin) as (address, _), client(address) as one, client(address) as other:
        _, early = await subscribe(one)
        await eventually_async(lambda: early.publications)
        _, late = await subscribe(other)
        assert late.subscribed == [json.loads(SCHEMA)]
        assert len(plugin.runs) == 1


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(1, 404, "Not Found"), (2, 403, "Forbidden"), (9, 500, "Internal Server Error")],
)
async def test_a_refusal_is_final(status: int, code: int, message: str) -> None:
    plugin = StreamingPlugin(subscribing=StreamAnswer(status), publishing=StreamAnswer(status))
    async with live_server(plugin) as (address, _), client(address) as one:
        _, seen = await subscribe(one)
        assert seen.unsubscribed == [code]
        with pytest.raises(ReplyError) as caught:
            await one.publish(CHANNEL, {"a": 1})
    assert (caught.value.code, caught.value.message, caught.value.temporary) == (code, message, False)


async def test_a_plugin_that_is_down_is_asked_again() -> None:
    plugin = StreamingPlugin(subscribing=PluginUnavailable("starting"))
    async with live_server(plugin) as (address, _), client(address) as one:
        _, seen = await subscribe(one)
        assert seen.errors
        plugin.subscribing = StreamAnswer(0)
        await eventually_async(lambda: seen.subscribed)
    assert seen.unsubscribed == []


async def test_an_id_of_no_channel_is_refused() -> None:
    async with live_server(StreamingPlugin()) as (address, _), client(address) as one:
        _, seen = await subscribe(one, "ds/u1")
    assert seen.unsubscribed[0] == 400


async def test_who_unsubscribes_lets_the_stream_end_and_the_connection_live() -> None:
    plugin = StreamingPlugin()
    async with live_server(plugin) as (address, _), client(address) as one:
        subscription, seen = await subscribe(one)
        await eventually_async(lambda: plugin.running == 1)
        await subscription.unsubscribe()
        await eventually_async(lambda: plugin.running == 0)
        assert seen.unsubscribed == [0]
        _, again = await subscribe(one, "ds/u1/other")
        assert again.subscribed


async def test_who_goes_away_unsubscribes() -> None:
    plugin = StreamingPlugin()
    async with live_server(plugin) as (address, streams):
        async with client(address) as one:
            await subscribe(one)
            await eventually_async(lambda: plugin.running == 1)
        await eventually_async(lambda: plugin.running == 0 and not streams.channels())


async def test_what_one_publishes_all_see_as_the_plugin_rewrote_it() -> None:
    plugin = StreamingPlugin(publishing=StreamAnswer(0, b'{"rewritten":true}'))
    async with live_server(plugin) as (address, _), client(address) as one, client(address) as other:
        subscriptions = [await subscribe(each) for each in (one, other)]
        await one.publish(CHANNEL, {"mine": [1]})
        for _, seen in subscriptions:
            await eventually_async(lambda seen=seen: {"rewritten": True} in seen.publications)
    assert plugin.asked[-1] == ("publish", "rates", b'{"mine": [1]}')


async def test_publications_of_one_client_keep_their_order_and_are_few_at_once() -> None:
    busy, order = asyncio.Event(), []

    class Slow(StreamingPlugin):
        async def publish_stream(
            self, plugin_id: str, request: StreamRequest, *, timeout: float
        ) -> StreamAnswer:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            await busy.wait()
            order.append(int(request.data))
            self.running -= 1
            return StreamAnswer(0)

    commands = [{"id": 1, "connect": {}}]
    commands += [{"id": number, "publish": {"channel": CHANNEL, "data": number}} for number in range(2, 20)]
    plugin = Slow()
    async with live_server(plugin) as (address, _), bare(address, *commands) as socket:
        replies = []
        while len(replies) < 7:
            replies += map(json.loads, str(await socket.recv()).split("\n"))
        assert [(reply["id"], reply["error"]["code"]) for reply in replies[1:]] == [
            (number, 111) for number in range(14, 20)
        ]
        busy.set()
        while len(replies) < 19:
            replies += map(json.loads, str(await socket.recv()).split("\n"))
    assert order == list(range(2, 14))
    assert plugin.most_running == 1


async def test_the_same_stream_goes_by_the_name_the_client_gave_it() -> None:
    async with live_server(StreamingPlugin()) as (address, _), client(address) as one:
        _, plain = await subscribe(one, CHANNEL)
        _, prefixed = await subscribe(one, f"1/{CHANNEL}")
        await eventually_async(lambda: plain.publications)
        assert (plain.subscribed, prefixed.subscribed) == ([None], [json.loads(SCHEMA)])


async def test_a_subscription_ends_with_its_data_source() -> None:
    source = OneSource()
    async with live_server(StreamingPlugin(), source) as (address, _), client(address) as one:
        _, seen = await subscribe(one)
        source.settings = None
        await eventually_async(lambda: seen.unsubscribed)
    assert seen.unsubscribed == [2000]


async def test_a_client_that_cannot_keep_up_is_sent_away_as_slow_and_no_other() -> None:
    big = b'"' + b"x" * 30_000 + b'"'
    started = asyncio.Event()

    async def stream(request: StreamRequest) -> Packets:
        await started.wait()
        for _ in range(1000):
            yield big
            await asyncio.sleep(0.0005)
        await asyncio.Event().wait()

    commands = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": CHANNEL}}]
    options = replace(QUICK, queue=Limit(characters=1_000_000))
    async with (
        live_server(StreamingPlugin(stream), options=options) as (address, _),
        client(address) as fast,
        bare(address, *commands, max_queue=1, max_size=None) as slow,
    ):
        _, seen = await subscribe(fast)
        started.set()
        await eventually_async(lambda: len(seen.publications) == 1000)
        assert await farewell(slow) == (3008, "slow")


async def test_a_client_that_reads_nothing_at_all_does_not_keep_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_protocol, "CLOSING_SECONDS", 0.05)
    monkeypatch.setattr(broadcast, "PATIENCE_SECONDS", 0.05)

    async def flood(request: StreamRequest) -> Packets:
        while True:
            yield b'"' + b"x" * 30_000 + b'"'

    commands = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": CHANNEL}}]
    plugin = StreamingPlugin(flood)
    async with (
        live_server(plugin) as (address, streams),
        bare(address, *commands, max_queue=1, max_size=None) as socket,
    ):
        await eventually_async(lambda: plugin.runs and not streams.channels())
        await asyncio.sleep(0.2)
        assert (await farewell(socket))[0] == 1006


async def test_a_client_is_pinged_and_answers() -> None:
    patience = Patience(ping=1, pong=0.5)
    fate = Fate()
    async with live_server(StreamingPlugin(), patience=patience) as (address, _), client(address, fate):
        await asyncio.sleep(2.3)
    assert fate.connecting == [0]


@pytest.mark.parametrize(
    ("sent", "patience", "code"),
    [
        ([{"id": 1, "connect": {}}], Patience(ping=0, pong=0.05), 3012),
        ([], Patience(connect=0.05), 3502),
        ([{"id": 1, "subscribe": {"channel": CHANNEL}}], Patience(), 3501),
        (["{"], Patience(), 3501),
        (["{}"], Patience(), 3501),
        (["x" * (MESSAGE_LIMIT + 1)], Patience(), 1009),
    ],
)
async def test_who_breaks_the_rules_is_disconnected(
    sent: list[object], patience: Patience, code: int
) -> None:
    async with (
        live_server(StreamingPlugin(), patience=patience) as (address, _),
        bare(address, *sent) as socket,
    ):
        assert (await farewell(socket))[0] == code


async def test_when_the_server_stops_clients_are_told_to_come_back() -> None:
    fate = Fate()
    async with live_server(StreamingPlugin()) as (address, streams), client(address, fate) as one:
        await subscribe(one)
        streams.close()
        await eventually_async(lambda: len(fate.connecting) > 1)
    assert fate.connecting[:2] == [0, 3001]


async def test_a_subscription_under_way_can_be_given_up() -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    class Thinking(StreamingPlugin):
        async def subscribe_stream(
            self, plugin_id: str, request: StreamRequest, *, timeout: float
        ) -> StreamAnswer:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

    sent = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": CHANNEL}}]
    async with live_server(Thinking()) as (address, _), bare(address, *sent) as socket:
        await asked.wait()
        await socket.send(json.dumps({"id": 3, "unsubscribe": {"channel": CHANNEL}}))
        async with asyncio.timeout(5):
            await cancelled.wait()
        replies = [json.loads(str(await socket.recv())) for _ in range(2)]
    assert replies[1] == {"id": 3, "unsubscribe": {}}


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.example", 403), ("null", 403), ("https://{address}", 101), ("HTTP://{address}", 101)],
)
async def test_pages_from_elsewhere_are_not_served(origin: str, status: int) -> None:
    async with live_server(StreamingPlugin()) as (address, _):
        try:
            async with bare(address, origin=origin.format(address=address)):
                answered = 101
        except websockets.InvalidStatus as error:
            answered = error.response.status_code
    assert answered == status


async def test_a_socket_for_another_path_is_not_found(caplog: pytest.LogCaptureFixture) -> None:
    async with live_server(StreamingPlugin()) as (address, _):
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with websockets.connect(f"ws://{address}/api/health", proxy=None):
                pass
    assert caught.value.response.status_code == 404
    assert caplog.text == ""


async def test_without_a_websocket_it_says_what_it_expects() -> None:
    async with live_server(StreamingPlugin()) as (address, _), httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://{address}/api/live/ws")
    assert answer.status_code == 400
    assert "WebSocket" in answer.json()["message"]
