"""Routes answered by an ASGI application: Starlette, and small ones that do what they like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.errors import CallFailed, PluginFault
from graftage.host.client import PluginClient
from graftage.sdk.context import current
from graftage.sdk.data_source import App, DataSource
from graftage.sdk.plugin import Plugin
from graftage.sdk.resource import resource
from support.served_plugin import served

CONTEXT = PluginContext(1, "acme", data_source=DataSourceSettings(7, 1, "weather", "acme", uid="u"))
OTHER = PluginContext(1, "acme", data_source=DataSourceSettings(8, 1, "other", "acme", uid="v"))
SECONDS = 10.0
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def request(
    path: str, method: str = "GET", query: str = "", context: PluginContext = CONTEXT, **more: Any
) -> ResourceRequest:
    return ResourceRequest(context, path, method, f"{path}?{query}" if query else path, **more)


async def parts_of(client: PluginClient, asked: ResourceRequest) -> list[ResourcePart]:
    return [part async for part in client.call_resource(asked, timeout=SECONDS)]


class Weather(DataSource):
    """A data source with a Starlette application, and one route of its own beside it."""

    applications: list[str]

    def asgi(self) -> Starlette:
        self.applications.append(self.settings.uid)
        routes = {
            "/echo/{name}": self.echo,
            "/many": self.many,
            "/bug": self.bug,
            "/broken": self.broken,
            "/none": self.none,
            "/cookies": self.cookies,
        }
        return Starlette(routes=[Route(path, handler, methods=METHODS) for path, handler in routes.items()])

    @resource("GET", "/own")
    async def own(self) -> str:
        return "a handler's own"

    async def echo(self, request: Request) -> Response:
        return JSONResponse(
            {
                "asked": [request.method, request.scope["path"], request.path_params["name"]],
                "query": request.query_params.multi_items(),
                "teams": request.headers.getlist("x-team"),
                "body": len(await request.body()),
                "root": request.scope["root_path"],
                "org": current().org_id,
            }
        )

    async def many(self, request: Request) -> Response:
        async def numbers() -> AsyncIterator[str]:
            for number in range(100):
                yield f"{number}\n"

        return StreamingResponse(numbers(), media_type="text/csv")

    async def bug(self, request: Request) -> Response:
        raise ValueError("a bug")

    async def broken(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield "first"
            raise ValueError("a bug")

        return StreamingResponse(pieces())

    async def none(self, request: Request) -> Response:
        raise HTTPException(404, "no such station")

    async def cookies(self, request: Request) -> Response:
        answer = PlainTextResponse("x")
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Weather.applications = []


@pytest.mark.parametrize("method", METHODS)
async def test_starlette_gets_the_whole_request(tmp_path: Path, method: str) -> None:
    headers = {"X-Team": ("a", "b")}
    asked = request("echo/Köln Hbf", method, "q=1&q=%C3%B6", headers=headers, body=b"abc")

    async with served(Weather, tmp_path) as client:
        (part,) = await parts_of(client, asked)

    assert (part.code, part.headers["Content-Type"]) == (200, ("application/json",))
    assert json.loads(part.body) == {
        "asked": [method, "/echo/Köln Hbf", "Köln Hbf"],
        "query": [["q", "1"], ["q", "ö"]],
        "teams": ["a", "b"],
        "body": 3,
        "root": "",
        "org": 1,
    }


@pytest.mark.parametrize("size", [0, 16 * 1024 * 1024])
async def test_a_body_of_any_size_reaches_the_application(tmp_path: Path, size: int) -> None:
    async with served(Weather, tmp_path) as client:
        (part,) = await parts_of(client, request("echo/x", "POST", body=bytes(size)))

    assert json.loads(part.body)["body"] == size


async def test_each_object_makes_its_application_once(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        await asyncio.gather(*(parts_of(client, request("echo/x")) for _ in range(5)))
        await parts_of(client, request("echo/x", context=OTHER))

    assert Weather.applications == ["u", "v"]


async def test_handlers_of_ones_own_come_before_the_application(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        (own,) = await parts_of(client, request("own"))
        (other,) = await parts_of(client, request("own", "DELETE"))

    assert own.body == b"a handler's own"
    assert (other.code, other.body) == (404, b"Not Found")


@pytest.mark.parametrize(
    ("path", "code", "body"), [("none", 404, b"no such station"), ("bug", 500, b"Internal Server Error")]
)
async def test_what_the_application_says_to_errors_is_the_answer(
    tmp_path: Path, path: str, code: int, body: bytes
) -> None:
    async with served(Weather, tmp_path) as client:
        (part,) = await parts_of(client, request(path))

    assert (part.code, part.body) == (code, body)


async def test_several_headers_of_one_name_stay_apart(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        (part,) = await parts_of(client, request("cookies"))

    assert [value.partition(";")[0] for value in part.headers["Set-Cookie"]] == ["a=1", "b=2"]


async def test_each_piece_is_a_message(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        first, *more = await parts_of(client, request("many"))

    assert (first.code, first.headers["Content-Type"]) == (200, ("text/csv; charset=utf-8",))
    assert [part.body for part in (first, *more)] == [f"{number}\n".encode() for number in range(100)]
    assert {part.code for part in more} == {0}


async def test_a_failure_after_the_first_piece_ends_the_answer_as_broken(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        answer = client.call_resource(request("broken"), timeout=SECONDS)
        first = await anext(answer)
        with pytest.raises(CallFailed) as failed:
            await anext(answer)

    assert first.body == b"first"
    assert failed.value.status == "UNKNOWN"


def serving(application: Callable[..., Awaitable[None]]) -> type:
    return type("Raw", (App,), {"asgi": lambda self: application})


async def raw(application: Callable[..., Awaitable[None]], folder: Path) -> list[ResourcePart]:
    async with served(serving(application), folder) as client:
        return await parts_of(client, request("a/b", query="c=d", headers={"X-A": ("1",)}, body=b"body"))


START = {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1"), (b"x-a", b"2")]}


async def test_an_application_is_called_as_the_specification_says(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend((scope, await receive()))
        await send(START)
        await send({"type": "http.response.body"})
        seen.append(await receive())

    assert await raw(application, tmp_path) == [ResourcePart(201, {"X-A": ("1", "2")})]
    scope, body, end = seen
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a/b",
        "raw_path": b"/a/b",
        "query_string": b"c=d",
        "root_path": "",
        "headers": [(b"x-a", b"1")],
        "client": None,
        "server": None,
    }
    assert body == {"type": "http.request", "body": b"body", "more_body": False}
    assert end == {"type": "http.disconnect"}


async def test_an_empty_piece_with_more_to_come_sends_status_and_headers(tmp_path: Path) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for piece in (b"", b"", b"late"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    assert await raw(application, tmp_path) == [
        ResourcePart(201, {"X-A": ("1", "2")}),
        ResourcePart(body=b"late"),
    ]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "the ASGI application returned before its answer was complete"),
        ([START], "the ASGI application returned before its answer was complete"),
        ([START | {"status": 1}], "status 1 is none of HTTP"),
        ([{"type": "websocket.accept"}], "the ASGI application sent 'websocket.accept'"),
    ],
)
async def test_an_application_that_breaks_the_rules_is_told(
    tmp_path: Path, messages: list[Any], complaint: str
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    (part,) = await raw(application, tmp_path)

    assert part.code == 500
    assert complaint in json.loads(part.body)["message"]


async def test_an_answer_that_stops_halfway_is_broken(tmp_path: Path) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    with pytest.raises(CallFailed, match="returned before its answer was complete"):
        await raw(application, tmp_path)


async def test_who_goes_away_ends_the_application(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            while True:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
        finally:
            ended.set()

    async with served(serving(application), tmp_path) as client:
        async with aclosing(client.call_resource(request("x"), timeout=SECONDS)) as parts:
            assert (await anext(parts)).body == b"more"

        async with asyncio.timeout(SECONDS):
            await ended.wait()
    assert not caplog.records, "to go away is no failure"


async def test_an_application_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    class Hesitating(App):
        attempts = 0

        def asgi(self) -> Any:
            Hesitating.attempts += 1
            if Hesitating.attempts == 1:
                raise ValueError("not yet")
            return Starlette()

    async with served(Hesitating, tmp_path) as client:
        (first,) = await parts_of(client, request("x"))
        (second,) = await parts_of(client, request("x"))

    assert (first.code, json.loads(first.body)["message"]) == (500, "not yet")
    assert (second.code, second.body) == (404, b"Not Found")


async def test_one_application_is_enough() -> None:
    class Both(App):
        def asgi(self) -> Any: ...
        def wsgi(self) -> Any: ...

    with pytest.raises(PluginFault, match="the plugin has both asgi and wsgi"):
        Plugin(Both).prepare()
