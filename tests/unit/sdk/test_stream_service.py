"""Streams over a real socket: who may listen, what is sent, what others may send, and how it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, PluginContext, User
from graftage.backend.stream import StreamAnswer, StreamRequest, StreamStatus
from graftage.data.frame_json import read_frame_json
from graftage.errors import CallFailed, NotImplementedByPlugin, PluginFault
from graftage.sdk.data_source import App, DataSource
from graftage.sdk.plugin import Plugin
from graftage.sdk.stream import channel, stream
from support.served_plugin import served
from support.wait import eventually_async

CONTEXT = PluginContext(
    1, "acme", user=User("ada"), data_source=DataSourceSettings(7, 1, "weather", "acme", uid="u")
)
SECONDS = 10.0
OK, NOT_FOUND, DENIED = StreamStatus.OK, StreamStatus.NOT_FOUND, StreamStatus.PERMISSION_DENIED


def request(path: str, data: bytes = b"", login: str = "ada") -> StreamRequest:
    return StreamRequest(replace(CONTEXT, user=User(login)), path, data, {"http_X-Team": "a"})


class Rates(DataSource):
    """Streams of every kind. closed: those whose `finally` ran."""

    closed: list[str]

    @stream("rates/{pair}")
    async def rates(self, pair: str, request: Any) -> AsyncIterator[Any]:
        try:
            number = 0.0
            while True:
                number += 1
                yield {"rate": number}
                await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0)
            self.closed.append(pair)

    @rates.authorize
    def may_see_rates(self, request: Any, pair: str) -> Any:
        return {
            "none": None,
            "yes": True,
            "no": False,
            "gone": NOT_FOUND,
            "fine": OK,
            "first": {"rate": 7.5},
            "ada": request.user.login == "ada",
            "team": request.headers["X-Team"] == "a",
            "asked": request.json() if request.data else None,
        }[pair]

    @rates.publish
    async def take_rates(self, request: Any, pair: str) -> Any:
        match pair:
            case "true":
                return True
            case "none":
                return None
            case "no":
                raise PermissionError("read only")
            case "same":
                return request.data
            case _:
                return {"rate": request.json()["rate"] * 2}

    @stream("plain/{count}")
    def plain(self, count: str) -> Iterator[Any]:
        assert threading.current_thread() is not threading.main_thread()
        for number in range(int(count)):
            yield {"n": [number]}

    @stream("blocking")
    def blocking(self) -> Iterator[Any]:
        try:
            while True:
                yield '{"n": 1}'
        finally:
            self.closed.append("blocking")

    @stream("breaks")
    async def breaks(self) -> AsyncIterator[Any]:
        yield {"n": [1]}
        raise ValueError("a bug")

    @stream("short")
    async def short(self) -> AsyncIterator[Any]:
        yield {"n": [1]}

    @stream("closed")
    async def not_for_all(self) -> AsyncIterator[Any]:
        yield {}

    @not_for_all.authorize
    async def nobody(self) -> None:
        raise PermissionError("members only")

    @stream("faulty")
    async def faulty(self) -> AsyncIterator[Any]:
        yield {}

    @faulty.authorize
    async def fails(self) -> None:
        raise ValueError("a bug")

    @stream("answer")
    async def answer(self) -> Any:
        return {"n": [1]}

    @stream("own/{rest:path}")
    async def own(self, rest: str, request: Any) -> AsyncIterator[Any]:
        yield {"said": f"{rest} {request.path} {request.settings.uid} {request.json()} {self.settings.name}"}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Rates.closed = []


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("rates/none", StreamAnswer(OK)),
        ("rates/yes", StreamAnswer(OK)),
        ("rates/no", StreamAnswer(DENIED)),
        ("rates/gone", StreamAnswer(NOT_FOUND)),
        ("rates/fine", StreamAnswer(OK)),
        ("rates/ada", StreamAnswer(OK)),
        ("rates/team", StreamAnswer(OK)),
        ("plain/3", StreamAnswer(OK)),
        ("closed", StreamAnswer(DENIED)),
        ("rates", StreamAnswer(NOT_FOUND)),
        ("rates/a/b", StreamAnswer(NOT_FOUND)),
        ("nowhere", StreamAnswer(NOT_FOUND)),
    ],
)
async def test_path_and_handler_decide_who_may_subscribe(
    tmp_path: Path, path: str, answer: StreamAnswer
) -> None:
    async with served(Rates, tmp_path) as client:
        assert await client.subscribe_stream(request(path), timeout=SECONDS) == answer


async def test_a_subscriber_is_asked_about_by_name(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        answer = await client.subscribe_stream(request("rates/ada", login="eve"), timeout=SECONDS)

    assert answer.status == DENIED


async def test_a_subscriber_may_get_something_to_begin_with(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        answer = await client.subscribe_stream(request("rates/first"), timeout=SECONDS)
        asked = await client.subscribe_stream(request("rates/asked", b'{"n": 1}'), timeout=SECONDS)

    assert read_frame_json(answer.data).fields[0].values.tolist() == [7.5]
    assert json.loads(asked.data)["data"] == {"values": [[1]]}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("rates/true", StreamAnswer(OK, b'{"rate": 2}')),
        ("rates/same", StreamAnswer(OK, b'{"rate": 2}')),
        ("rates/none", StreamAnswer(OK)),
        ("rates/no", StreamAnswer(DENIED)),
        ("plain/3", StreamAnswer(DENIED)),
        ("nowhere", StreamAnswer(NOT_FOUND)),
    ],
)
async def test_a_handler_decides_what_others_may_send(
    tmp_path: Path, path: str, answer: StreamAnswer
) -> None:
    async with served(Rates, tmp_path) as client:
        assert await client.publish_stream(request(path, b'{"rate": 2}'), timeout=SECONDS) == answer


async def test_what_is_published_can_be_changed(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        answer = await client.publish_stream(request("rates/x", b'{"rate": 2}'), timeout=SECONDS)

    assert read_frame_json(answer.data).fields[0].values.tolist() == [4]


@pytest.mark.parametrize("size", [100, 0])
async def test_a_plain_generator_streams_from_a_thread(tmp_path: Path, size: int) -> None:
    async with served(Rates, tmp_path) as client:
        packets = [json.loads(packet) async for packet in client.run_stream(request(f"plain/{size}"))]

    assert [packet["data"]["values"] for packet in packets] == [[[number]] for number in range(size)]
    assert ["schema" in packet for packet in packets] == [number == 0 for number in range(size)]


async def test_a_stream_knows_what_is_asked(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        (packet,) = [packet async for packet in client.run_stream(request("own/a/b=c", b'{"n": 1}'))]

    assert json.loads(packet)["data"]["values"] == [["a/b=c own/a/b=c u {'n': 1} weather"]]


async def test_when_the_last_one_has_left_the_generator_is_closed(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        async with (
            aclosing(client.run_stream(request("rates/a"))) as first,
            aclosing(client.run_stream(request("rates/b"))) as second,
        ):
            assert json.loads(await anext(first))["data"] == {"values": [[1]]}
            assert json.loads(await anext(second))["data"] == {"values": [[1]]}
            await first.aclose()
            await eventually_async(lambda: Rates.closed == ["a"], what="its `finally`")
            assert json.loads(await anext(second)) == {"data": {"values": [[2]]}}, "the other one goes on"

        await eventually_async(lambda: Rates.closed == ["a", "b"], what="its `finally`")


async def test_a_plain_generator_is_closed_as_well(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        async with aclosing(client.run_stream(request("blocking"))) as packets:
            assert await anext(packets) == b'{"n": 1}'

        await eventually_async(lambda: Rates.closed == ["blocking"], what="its `finally`")


async def test_who_comes_later_is_told_the_schema(tmp_path: Path) -> None:
    """Subscribers of a running channel get its data only, as the schema was sent before they came."""
    asked = request("rates/fine")
    async with served(Rates, tmp_path) as client:
        async with aclosing(client.run_stream(asked)) as packets:
            schema = json.loads(await anext(packets))["schema"]
            later = await client.subscribe_stream(asked, timeout=SECONDS)
            other = await client.subscribe_stream(request("rates/yes"), timeout=SECONDS)
            refused = await client.subscribe_stream(request("rates/no"), timeout=SECONDS)

        await eventually_async(lambda: Rates.closed == ["fine"], what="its `finally`")
        afterwards = await client.subscribe_stream(asked, timeout=SECONDS)

    assert json.loads(later.data) == {"schema": schema}
    assert (other, refused, afterwards) == (StreamAnswer(OK), StreamAnswer(DENIED), StreamAnswer(OK))


async def test_a_stream_that_fails_ends_with_its_error(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        packets = client.run_stream(request("breaks"))
        await anext(packets)
        with pytest.raises(CallFailed) as failed:
            await anext(packets)

        assert (failed.value.status, failed.value.details) == ("UNKNOWN", "a bug")
        assert await client.subscribe_stream(request("rates/yes"), timeout=SECONDS), "the plugin goes on"


@pytest.mark.parametrize(
    ("path", "complaint"),
    [("nowhere", "this plugin has no stream 'nowhere'"), ("answer", "the stream answer returned dict")],
)
async def test_what_is_no_stream_cannot_be_run(tmp_path: Path, path: str, complaint: str) -> None:
    async with served(Rates, tmp_path) as client:
        with pytest.raises(CallFailed, match=complaint):
            await anext(client.run_stream(request(path)))


async def test_a_handler_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    async with served(Rates, tmp_path) as client:
        with pytest.raises(CallFailed, match="a bug"):
            await client.subscribe_stream(request("faulty"), timeout=SECONDS)


async def test_a_plugin_without_streams_has_no_such_service(tmp_path: Path) -> None:
    class Silent(App):
        def check_health(self) -> None: ...

    async with served(Silent, tmp_path) as client:
        with pytest.raises(NotImplementedByPlugin):
            await client.subscribe_stream(request("x"), timeout=SECONDS)


async def test_two_streams_of_the_same_channels_are_one_too_many() -> None:
    class Twice(App):
        @stream("a/{x}")
        async def one(self, x: str) -> AsyncIterator[Any]:
            yield {}

        @stream("a/{y}")
        async def other(self, y: str) -> AsyncIterator[Any]:
            yield {}

    with pytest.raises(PluginFault, match="one and other have the same channels"):
        Plugin(Twice).prepare()


async def test_in_a_class_a_stream_is_still_the_method() -> None:
    assert [piece async for piece in Rates(None).short()] == [{"n": [1]}]


def test_a_handler_that_would_replace_the_stream_is_told() -> None:
    async def rates(self: Any) -> AsyncIterator[Any]:
        yield {}

    with pytest.raises(TypeError, match="a method called rates would take the place of the stream"):
        stream("x")(rates).authorize(rates)


@pytest.mark.parametrize(
    ("uid", "path", "address"),
    [("u", "rates/EURUSD", "ds/u/rates/EURUSD"), ("u", "/a=b/", "ds/u/a=b"), ("u", "x" * 155, None)],
)
def test_a_channel_has_an_address(uid: str, path: str, address: str | None) -> None:
    assert channel(uid, path) == (address or f"ds/{uid}/{path}")


@pytest.mark.parametrize(
    ("uid", "path", "complaint"),
    [
        ("", "a", "has an empty part"),
        ("u", "", "has an empty part"),
        ("u", "a//b", "has an empty part"),
        ("u", "a b", "has a character other than"),
        ("u", "ö", "has a character other than"),
        ("u", "x" * 156, "has 161 characters; 160 are allowed"),
    ],
)
def test_an_address_that_grafana_would_refuse_is_told(uid: str, path: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        channel(uid, path)
