"""Live data from a real plugin, through a real server, to the client that people use."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from centrifuge import (
    Client,
    ClientEventHandler,
    ConnectingContext,
    PublicationContext,
    ReplyError,
    SubscribedContext,
    Subscription,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from support.golden.server import Server, serve
from support.plugins.streaming import PACKETS, data, full, read_notes
from support.wait import eventually_async

PLUGIN = "streaming-datasource"
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from support.plugins.streaming import main
main({notes!r})
"""

SDK_PLUGIN = "rates-datasource"
SDK_PROGRAM = """
import asyncio, itertools
import graftage

class Rates(graftage.DataSource):
    @graftage.stream("rates/{pair}")
    async def rates(self, pair):
        for number in itertools.count():
            yield {"rate": float(number)}
            await asyncio.sleep(0.005)

    @rates.authorize
    def may_see(self, pair):
        return pair != "secret"

    @rates.publish
    def published(self, pair, request):
        return {"rate": -1.0}

graftage.serve(Rates)
"""


@dataclass(frozen=True)
class Running:
    """A server with two plugins, and a data source of uid `s1` for the first, of `s2` for the other."""

    server: Server
    notes_file: Path

    @property
    def url(self) -> str:
        return f"http://{self.server.address}"

    def notes(self, path: str, what: str = "begun") -> list[dict[str, Any]]:
        """What the plugin noted of its runs of a path."""
        return [note for note in read_notes(self.notes_file) if (note["path"], note["what"]) == (path, what)]

    def is_running(self, path: str) -> bool:
        return len(self.notes(path)) == len(self.notes(path, "ended")) + 1


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("live")
    notes = folder / "notes"
    add_plugin(folder, PLUGIN, PROGRAM.format(tests=str(Path(__file__).parents[1]), notes=str(notes)))
    add_plugin(folder, SDK_PLUGIN, SDK_PROGRAM)
    with serve(folder, environment={}, plugin_settings={}, query_seconds=20) as server:
        running = Running(server, notes)
        for uid, plugin in (("s1", PLUGIN), ("s2", SDK_PLUGIN)):
            source = {"name": uid, "type": plugin, "access": "proxy", "uid": uid}
            added = httpx.post(f"{running.url}/api/datasources", json=source, trust_env=False)
            assert added.status_code == 200, added.text
        yield running


def add_plugin(folder: Path, plugin_id: str, program: str) -> None:
    plugin = folder / "plugins" / plugin_id
    plugin.mkdir(parents=True)
    description = {"id": plugin_id, "type": "datasource", "backend": True, "executable": "tool"}
    (plugin / "plugin.json").write_text(json.dumps(description))
    (plugin / "tool.py").write_text(program)


class Seen(SubscriptionEventHandler):
    """What a subscription was told, in its order."""

    def __init__(self) -> None:
        self.texts: list[Any] = []
        self.subscribed = 0
        self.unsubscribed: list[int] = []

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed += 1
        if ctx.data is not None:
            self.texts.append(ctx.data)

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.texts.append(ctx.pub.data)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.unsubscribed.append(ctx.code)


class Fate(ClientEventHandler):
    """For what reasons a client connected."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        self.codes.append(ctx.code)


@asynccontextmanager
async def client(running: Running, fate: Fate | None = None) -> AsyncIterator[Client]:
    one = Client(f"ws://{running.server.address}/api/live/ws", events=fate, proxy=None, timeout=20.0)
    await one.connect()
    try:
        await one.ready(20.0)
        yield one
    finally:
        await one.disconnect()
        await eventually_async(lambda: not one._background_tasks)  # one of them closes the socket


async def subscribe(one: Client, path: str, *, uid: str = "s1") -> tuple[Subscription, Seen]:
    seen = Seen()
    subscription = one.new_subscription(f"ds/{uid}/{path}", events=seen)
    await subscription.subscribe()
    await eventually_async(lambda: seen.subscribed or seen.unsubscribed, timeout=30.0)
    return subscription, seen


def columns_of(texts: list[Any]) -> dict[str, list[int]]:
    """The numbers received, by the column of the schema to which they belong."""
    found: dict[str, list[int]] = {}
    column = "no schema"
    for text in texts:
        if "schema" in text:
            column = text["schema"]["fields"][0]["name"]
        if "data" in text:
            found.setdefault(column, []).extend(text["data"]["values"][0])
    return found


async def test_no_packet_is_lost_or_read_by_the_wrong_schema_when_the_plugin_restarts(
    running: Running,
) -> None:
    path = "numbers/restart"
    async with client(running) as one, client(running) as other, client(running) as third:
        (_, early), (_, late) = [await subscribe(each, path) for each in (one, other)]
        await eventually_async(lambda: len(early.texts) == PACKETS, timeout=30.0)
        os.kill(running.notes(path)[0]["pid"], signal.SIGKILL)
        await eventually_async(lambda: len(early.texts) == 2 * PACKETS, timeout=30.0)
        await eventually_async(lambda: columns_of(late.texts)["second"][-1] == 2 * PACKETS - 1, timeout=30.0)
        _, latest = await subscribe(third, path)

    first, second = list(range(PACKETS)), list(range(PACKETS, 2 * PACKETS))
    assert columns_of(early.texts) == {"first": first, "second": second}
    assert [text for text in early.texts if "schema" in text] == [
        json.loads(full("first", 0)),
        json.loads(full("second", PACKETS)),
    ]
    assert set(columns_of(late.texts)) <= {"first", "second"}
    assert columns_of(late.texts)["second"] == second
    assert latest.texts == [{"schema": {"fields": [{"name": "second"}]}}]
    assert len(running.notes(path)) == 2


async def test_two_subscribers_share_a_run_which_ends_after_both_have_left(running: Running) -> None:
    path = "clock/shared"
    async with client(running) as one, client(running) as other:
        first, seen = await subscribe(one, path)
        _, also_seen = await subscribe(other, path)
        await eventually_async(lambda: len(seen.texts) > 3 and len(also_seen.texts) > 3)
        assert "schema" in also_seen.texts[0]
        await first.unsubscribe()
        assert first.state.value == "unsubscribed"
        count = len(also_seen.texts)
        await eventually_async(lambda: len(also_seen.texts) > count + 3)
        assert (len(running.notes(path)), running.is_running(path)) == (1, True)
    await eventually_async(lambda: not running.is_running(path))


@pytest.mark.parametrize(("path", "code"), [("missing", 404), ("secret", 403), ("no such path", 400)])
async def test_a_refused_subscription_is_not_run(running: Running, path: str, code: int) -> None:
    async with client(running) as one:
        _, seen = await subscribe(one, path)
    assert seen.unsubscribed[0] == code
    assert running.notes(path) == []


async def test_what_one_publishes_comes_back_as_the_plugin_says(running: Running) -> None:
    async with client(running) as one, client(running) as other:
        _, seen = await subscribe(other, "chat")
        _, nothing = await subscribe(other, "quiet")
        for channel in ("quiet", "chat"):
            await one.publish(f"ds/s1/{channel}", {"a": [1, 2.5]})
        await eventually_async(lambda: seen.texts)
        with pytest.raises(ReplyError) as caught:
            await one.publish("ds/s1/secret", {})
    assert (seen.texts, nothing.texts) == ([{"said": {"a": [1, 2.5]}}], [])
    assert (caught.value.code, caught.value.temporary) == (403, False)


async def test_packets_that_are_no_json_harm_nobody(running: Running) -> None:
    async with client(running) as one:
        _, seen = await subscribe(one, "broken")
        await eventually_async(lambda: seen.texts)
    assert seen.texts == ["good"]


async def test_one_that_does_not_read_is_sent_away_and_one_that_does_is_not(running: Running) -> None:
    commands = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "ds/s1/flood"}}]
    url = f"ws://{running.server.address}/api/live/ws"
    async with (
        client(running) as fast,
        websockets.connect(url, proxy=None, max_queue=1, max_size=None, compression=None) as slow,
    ):
        _, seen = await subscribe(fast, "flood")
        for command in commands:
            await slow.send(json.dumps(command))
        await eventually_async(lambda: "slow" in running.server.log, timeout=20.0)
        with pytest.raises(websockets.ConnectionClosedError):
            async for _ in slow:
                pass
        assert slow.close_code == 3008
        count = len(seen.texts)
        await eventually_async(lambda: len(seen.texts) > count)


async def test_other_settings_of_the_data_source_reach_a_stream_that_runs(running: Running) -> None:
    path = "clock/settings"
    async with client(running) as one, httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        await subscribe(one, path)
        await eventually_async(lambda: running.is_running(path))
        source = (await http.get("/api/datasources/uid/s1")).json()
        changed = await http.put(f"/api/datasources/{source['id']}", json=source | {"url": "http://other"})
        assert changed.status_code == 200
        await eventually_async(lambda: len(running.notes(path)) == 2)
    assert [note["url"] for note in running.notes(path)] == ["", "http://other"]


async def test_events_are_the_same_stream_for_curl(running: Running) -> None:
    path = "clock/events"
    async with client(running) as one, httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        await subscribe(one, path)
        async with http.stream("GET", f"/api/live/sse/ds/s1/{path}") as answer:
            lines = answer.aiter_lines()
            first, _, second = [await anext(lines) for _ in range(3)]
        missing = await http.get("/api/live/sse/ds/s1/missing")
    assert (first, second) in (
        ('data: {"schema":{"fields":[{"name":"time"}]}}', f"data: {data(1).decode()}"),
        (f"data: {full('time', 0).decode()}", f"data: {data(1).decode()}"),
    )
    told = "plugin 'streaming-datasource' has no channel 'missing'"
    assert (missing.status_code, missing.json()) == (404, {"message": told})
    assert len(running.notes(path)) == 1


async def test_a_stream_written_with_the_sdk_is_seen_by_all_with_its_schema(running: Running) -> None:
    async with client(running) as one, client(running) as other:
        _, early = await subscribe(one, "rates/eur", uid="s2")
        await eventually_async(lambda: len(early.texts) > 3)
        _, late = await subscribe(other, "rates/eur", uid="s2")
        await eventually_async(lambda: len(late.texts) > 3)
        await one.publish("ds/s2/rates/eur", {"any": "thing"})
        for seen in (early, late):
            await eventually_async(lambda seen=seen: -1.0 in columns_of(seen.texts)["rate"])
        refused = [
            (await subscribe(one, path, uid="s2"))[1].unsubscribed[0] for path in ("rates/secret", "no")
        ]
    for seen in (early, late):
        assert set(columns_of(seen.texts)) == {"rate"}
        own = [rate for rate in columns_of(seen.texts)["rate"] if rate != -1.0]
        assert own == [own[0] + index for index in range(len(own))]
    assert refused == [403, 404]


async def test_a_server_that_stops_does_so_at_once_and_tells_clients_to_come_back(running: Running) -> None:
    """The last one, for the server is gone then."""
    fate = Fate()
    async with client(running, fate) as one, httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        await subscribe(one, "clock/stop")
        async with http.stream("GET", "/api/live/sse/ds/s1/clock/stop") as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            running.server.process.send_signal(signal.SIGTERM)
            async for _ in lines:
                pass
        await eventually_async(lambda: len(fate.codes) > 1)
    assert fate.codes[1] == 3001
    await asyncio.to_thread(running.server.process.wait, 20)
    lines = [json.loads(line) for line in running.server.log.splitlines() if line.startswith("{")]
    assert [line for line in lines if line["level"] == "error" and "plugin_id" not in line] == []
