"""Routes of a plugin's own, over a real socket: what handlers get and may return, and how they fail."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graftage.backend.context import DataSourceSettings, PluginContext, User
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.data.intake import frame_from
from graftage.errors import CallFailed, NotImplementedByPlugin, PluginFault
from graftage.host.client import PluginClient
from graftage.protocol.v2.resource import encode_resource_request
from graftage.sdk.context import current
from graftage.sdk.data_source import App, DataSource
from graftage.sdk.errors import DownstreamError, PluginError
from graftage.sdk.metrics import Metrics
from graftage.sdk.plugin import Plugin
from graftage.sdk.resource import ResourceResponse, resource
from graftage.sdk.resource_request import ResourceRequest as AuthorsRequest
from graftage.sdk.resource_service import ResourceService
from graftage.sdk.runtime import Runtime
from graftage.sdk.settings import settings_of
from support.served_plugin import served
from support.wait import eventually_async

SOURCE = DataSourceSettings(7, 1, "weather", "acme", uid="u", secrets=Secrets({"token": "hush-hush"}))
CONTEXT = PluginContext(1, "acme", user=User("ada"), data_source=SOURCE)
SECONDS = 10.0
JSON = {"Content-Type": ("application/json",)}


def request(path: str, method: str = "GET", query: str = "", **more: Any) -> ResourceRequest:
    return ResourceRequest(CONTEXT, path, method, f"{path}?{query}" if query else path, **more)


async def parts_of(client: PluginClient, asked: ResourceRequest) -> list[ResourcePart]:
    return [part async for part in client.call_resource(asked, timeout=SECONDS)]


async def ask(target: object, folder: Path, asked: ResourceRequest) -> list[ResourcePart]:
    async with served(target, folder) as client:
        return await parts_of(client, asked)


def answering(answer: Any, *, plain: bool = False) -> type:
    """An app that answers `GET x` with this, or by raising it."""

    def handle(self: object) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def handle_async(self: object) -> Any:
        return handle(self)

    return type("Answering", (App,), {"x": resource("GET", "x")(handle if plain else handle_async)})


@dataclass
class Station:
    name: str
    height: int


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ({"a": 1}, ResourcePart(200, JSON, b'{"a":1}')),
        ([1, "ö"], ResourcePart(200, JSON, '[1,"ö"]'.encode())),
        (Station("EDDB", 48), ResourcePart(200, JSON, b'{"name":"EDDB","height":48}')),
        (True, ResourcePart(200, JSON, b"true")),
        (
            {"n": np.int64(3), "all": np.array([1.5, 2]), "at": datetime(2026, 11, 22, tzinfo=UTC)},
            ResourcePart(200, JSON, b'{"n":3,"all":[1.5,2.0],"at":"2026-11-22T00:00:00Z"}'),
        ),
        ("text", ResourcePart(200, {"Content-Type": ("text/plain; charset=utf-8",)}, b"text")),
        (b"\x00\x01", ResourcePart(200, {"Content-Type": ("application/octet-stream",)}, b"\x00\x01")),
        (None, ResourcePart(204)),
        (ResourceResponse(), ResourcePart(200)),
        (ResourceResponse({"id": 7}, 201), ResourcePart(201, JSON, b'{"id":7}')),
        (
            ResourceResponse(b"a,b", headers={"content-type": "text/csv", "x-part": ["1", "2"]}),
            ResourcePart(200, {"Content-Type": ("text/csv",), "X-Part": ("1", "2")}, b"a,b"),
        ),
        (
            ResourceResponse({"a": 1}, headers={"content-type": "application/geo+json"}),
            ResourcePart(200, {"Content-Type": ("application/geo+json",)}, b'{"a":1}'),
        ),
        (
            ResourceResponse(status=302, headers={"Location": "/elsewhere"}),
            ResourcePart(302, {"Location": ("/elsewhere",)}),
        ),
    ],
)
async def test_what_a_handler_returns_is_sent_in_one_message(
    tmp_path: Path, answer: Any, part: ResourcePart, plain: bool
) -> None:
    assert await ask(answering(answer, plain=plain), tmp_path, request("x")) == [part]


async def test_a_frame_is_sent_as_the_json_of_frames(tmp_path: Path) -> None:
    (part,) = await ask(answering(frame_from({"n": [1]})), tmp_path, request("x"))

    assert json.loads(part.body)["data"] == {"values": [[1]]}


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("a bug"), 500, "a bug"),
        (PluginError("no such station", status=404), 404, "no such station"),
        (PluginError("broken"), 500, "broken"),
        (DownstreamError("the station is closed", status=503), 503, "the station is closed"),
        (TimeoutError("too slow"), 504, "too slow"),
        (PermissionError("not you"), 401, "not you"),
        (RuntimeError("https://ada:hush-hush@station"), 500, "https://ada:***@station"),
        (SystemExit("bye"), 500, "SystemExit: bye"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
async def test_what_a_handler_raises_is_an_answer_with_its_status(
    tmp_path: Path, error: BaseException, status: int, message: str, plain: bool
) -> None:
    (part,) = await ask(answering(error, plain=plain), tmp_path, request("x"))

    assert (part.code, part.headers, json.loads(part.body)) == (status, JSON, {"message": message})


async def test_a_handler_that_cancels_itself_is_not_the_end_of_the_call(tmp_path: Path) -> None:
    (part,) = await ask(answering(asyncio.CancelledError()), tmp_path, request("x"))

    assert (part.code, json.loads(part.body)["message"]) == (499, "cancelled inside the plugin")


@pytest.mark.parametrize(
    ("error", "counted"),
    [(PluginError("no such station", status=404), "ok"), (PluginError("broken", status=500), "error")],
)
async def test_what_the_sender_did_wrong_is_no_failure_of_the_plugin(
    error: PluginError, counted: str
) -> None:
    metrics = Metrics()
    runtime = Runtime(answering(error), metrics=metrics, environment={})
    sent: list[bytes] = []

    async def send(piece: bytes) -> None:
        sent.append(piece)

    await ResourceService(runtime).call_resource(encode_resource_request(request("x")), (), send)
    await runtime.close(timeout=1)

    assert f'endpoint="callResource",status="{counted}"' in metrics.text()


async def test_what_cannot_be_sent_is_the_authors_to_mend(tmp_path: Path) -> None:
    for answer, complaint in (
        ({"a": object()}, "what the handler returned cannot be written as JSON: a object is no JSON value"),
        (ResourceResponse("x", headers={"a": 1}), "the header 'a' is int; expected text"),  # type: ignore[dict-item]
        (iter([{"a": 1}]), "a piece of the answer is dict; expected text or bytes"),
    ):
        (part,) = await ask(answering(answer), tmp_path, request("x"))

        assert part.code == 500
        assert complaint in json.loads(part.body)["message"]


async def test_an_object_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    class Broken(App):
        def __init__(self, settings: Any) -> None:
            raise ValueError("the station is missing; give it in the settings")

        @resource("GET", "x")
        def x(self) -> None: ...

    (part,) = await ask(Broken, tmp_path, request("x"))

    assert (part.code, json.loads(part.body)["message"]) == (
        500,
        "the station is missing; give it in the settings",
    )


class Echo(DataSource):
    """Says what it was asked."""

    @resource("GET", "/echo/{name}")
    @resource("POST", "/echo/{name}")
    @resource("PUT", "/echo/{name}")
    @resource("PATCH", "/echo/{name}")
    @resource("DELETE", "/echo/{name}")
    @resource("OPTIONS", "/echo/{name}")
    async def echo(self, request: Any, name: str) -> dict[str, Any]:
        return {
            "asked": [request.method, request.path, name],
            "query": {key: request.query.all(key) for key in request.query},
            "first": request.query.get("q", "nothing"),
            "team": request.headers.get("x-team"),
            "body": len(request.body),
            "source": request.settings.uid,
            "user": current().user.login if current().user else None,  # type: ignore[union-attr]
            "forwarded": dict(request.context.headers.http),
        }

    @resource("POST", "/json")
    async def json(self, request: Any) -> Any:
        return request.json()

    @resource("POST", "/station")
    async def station(self, request: Any) -> Any:
        return request.json(Station).height

    @resource("POST", "/body")
    def body(self, request: Any) -> bytes:
        assert threading.current_thread() is not threading.main_thread()
        return bytes(request.body)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_handler_knows_all_of_its_request(tmp_path: Path, method: str) -> None:
    headers = {"X-Team": ("a", "b"), "Authorization": ("Bearer x",), "Accept": ("*/*",)}
    asked = request("echo/Köln Hbf", method, "q=1&q=%C3%B6&empty=#top", headers=headers, body=b"abc")

    (part,) = await ask(Echo, tmp_path, asked)

    assert json.loads(part.body) == {
        "asked": [method, "/echo/Köln Hbf", "Köln Hbf"],
        "query": {"q": ["1", "ö"], "empty": [""]},
        "first": "1",
        "team": "a, b",
        "body": 3,
        "source": "u",
        "user": "ada",
        "forwarded": {"Authorization": "Bearer x"},
    }


async def test_a_request_shows_neither_headers_nor_body() -> None:
    shown = repr(
        AuthorsRequest(
            "GET", "/x", settings_of(CONTEXT, None), headers={"Cookie": "hush-hush"}, body=b"hush-hush"
        )
    )

    assert "hush-hush" not in shown


async def test_head_is_answered_as_get_without_the_body(tmp_path: Path) -> None:
    async with served(answering(iter(["text", "more"])), tmp_path) as client:
        (part,) = await parts_of(client, request("x", "HEAD"))

    assert part == ResourcePart(200, {"Content-Type": ("text/plain; charset=utf-8",)})


@pytest.mark.parametrize(
    ("path", "body", "status", "answer"),
    [
        ("json", b'{"a": [1, null]}', 200, {"a": [1, None]}),
        ("json", b"7", 200, 7),
        ("json", b"", 400, "the body of the request is no valid JSON: Expecting value"),
        ("json", b"\xff", 400, "the body of the request is no valid JSON"),
        ("station", b'{"name": "EDDB", "height": 48}', 200, 48),
        ("station", b'{"name": "EDDB", "height": "high"}', 400, "Expected `int`, got `str` - at `$.height`"),
        ("station", b"\xff", 400, "the body of the request is no valid JSON"),
    ],
)
async def test_json_is_read_or_its_sender_is_told(
    tmp_path: Path, path: str, body: bytes, status: int, answer: Any
) -> None:
    (part,) = await ask(Echo, tmp_path, request(path, "POST", body=body))

    told = json.loads(part.body)
    assert part.code == status
    assert answer in told["message"] if status == 400 else told == answer


@pytest.mark.parametrize("size", [0, 1, 16 * 1024 * 1024])
async def test_a_body_of_any_size_comes_and_goes(tmp_path: Path, size: int) -> None:
    body = b"\x00" * size

    (part,) = await ask(Echo, tmp_path, request("body", "POST", body=body))

    assert (part.code, len(part.body)) == (200, size)
    assert part.body == body


@pytest.mark.parametrize(
    ("asked", "status", "headers", "message"),
    [
        (request("nowhere"), 404, JSON, "this plugin has no route /nowhere"),
        (request(""), 404, JSON, "this plugin has no route /"),
        (
            request("json", "PUT"),
            405,
            JSON | {"Allow": ("POST",)},
            "/json cannot be asked by PUT, only by POST",
        ),
    ],
)
async def test_what_no_handler_answers_is_refused(
    tmp_path: Path, asked: ResourceRequest, status: int, headers: Any, message: str
) -> None:
    (part,) = await ask(Echo, tmp_path, asked)

    assert (part.code, part.headers, json.loads(part.body)["message"]) == (status, headers, message)


async def test_a_plugin_without_handlers_has_no_resources(tmp_path: Path) -> None:
    class Silent(App):
        def check_health(self) -> None: ...

    async with served(Silent, tmp_path) as client:
        with pytest.raises(NotImplementedByPlugin):
            await parts_of(client, request("x"))


class Streaming(DataSource):
    closed: list[str]

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        type(self).closed = []

    @resource("GET", "async/{count}")
    async def generate_async(self, count: str) -> AsyncIterator[str]:
        for number in range(int(count)):
            yield f"{number}\n"

    @resource("GET", "plain/{count}")
    def generate(self, count: str) -> Iterator[bytes]:
        assert threading.current_thread() is not threading.main_thread()
        for number in range(int(count)):
            yield f"{number}\n".encode()

    @resource("GET", "response/{count}")
    async def respond(self, count: str) -> ResourceResponse:
        return ResourceResponse(self.generate_async(count), 206, {"Content-Type": "text/csv"})

    @resource("GET", "breaks/{kind}")
    def breaks(self, kind: str) -> Any:
        return self._breaks_async() if kind == "async" else self._breaks()

    async def _breaks_async(self) -> AsyncIterator[str]:
        yield "first"
        raise ValueError("a bug")

    def _breaks(self) -> Iterator[str]:
        yield "first"
        raise ValueError("a bug")

    @resource("GET", "endless/{kind}")
    def endless(self, kind: str) -> Any:
        return self._endless_async() if kind == "async" else self._endless()

    async def _endless_async(self) -> AsyncIterator[str]:
        try:
            while True:
                yield "more"
                await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0)
            self.closed.append("async")

    def _endless(self) -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            self.closed.append("plain")


@pytest.mark.parametrize("kind", ["async", "plain", "response"])
async def test_each_piece_is_a_message_and_the_first_has_status_and_headers(
    tmp_path: Path, kind: str
) -> None:
    first, *more = await ask(Streaming, tmp_path, request(f"{kind}/100"))

    assert first.code == (206 if kind == "response" else 200)
    kinds = "text/csv" if kind == "response" else "text/plain; charset=utf-8"
    assert first.headers == {"Content-Type": (kinds,)}
    assert [part.body for part in (first, *more)] == [f"{number}\n".encode() for number in range(100)]
    assert {(part.code, len(part.headers)) for part in more} == {(0, 0)}


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_handler_that_yields_nothing_gives_an_empty_answer(tmp_path: Path, kind: str) -> None:
    assert await ask(Streaming, tmp_path, request(f"{kind}/0")) == [ResourcePart(200)]


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_is_raised_after_the_first_piece_ends_the_answer_as_broken(
    tmp_path: Path, kind: str
) -> None:
    async with served(Streaming, tmp_path) as client:
        answer = client.call_resource(request(f"breaks/{kind}"), timeout=SECONDS)
        first = await anext(answer)
        with pytest.raises(CallFailed) as failed:
            await anext(answer)

        assert first.body == b"first"
        assert (failed.value.status, failed.value.details) == ("UNKNOWN", "a bug")
        assert await parts_of(client, request("async/0")), "the plugin goes on"


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_who_goes_away_closes_the_generator(tmp_path: Path, kind: str) -> None:
    async with served(Streaming, tmp_path) as client:
        async with aclosing(client.call_resource(request(f"endless/{kind}"), timeout=SECONDS)) as parts:
            async for part in parts:
                assert part.body == b"more"
                break

        await eventually_async(lambda: Streaming.closed == [kind], what="its `finally`")


async def test_routes_that_are_in_each_others_way_are_told() -> None:
    class Twice(App):
        @resource("GET", "/a")
        def one(self) -> None: ...

        @resource("get", "a/")
        def other(self) -> None: ...

    with pytest.raises(PluginFault, match="one and other both answer GET"):
        Plugin(Twice).prepare()
