"""Routes answered by a WSGI application: Flask, Python's own judge of the rules, and small ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import flask
import pytest

from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.errors import CallFailed
from graftage.host.client import PluginClient
from graftage.sdk.context import current
from graftage.sdk.data_source import App
from support.served_plugin import served
from support.wait import eventually_async

CONTEXT = PluginContext(1, "acme", data_source=DataSourceSettings(7, 1, "weather", "acme", uid="u"))
SECONDS = 10.0
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
TEXT = [("Content-Type", "text/plain")]


def request(path: str, method: str = "GET", query: str = "", **more: Any) -> ResourceRequest:
    return ResourceRequest(CONTEXT, path, method, f"{path}?{query}" if query else path, **more)


async def parts_of(client: PluginClient, asked: ResourceRequest) -> list[ResourcePart]:
    return [part async for part in client.call_resource(asked, timeout=SECONDS)]


class Weather(App):
    def wsgi(self) -> Any:
        application = flask.Flask("weather")

        @application.route("/echo/<name>", methods=METHODS, provide_automatic_options=False)
        def echo(name: str) -> Any:
            asked = flask.request
            return {
                "asked": [asked.method, asked.path, name],
                "query": asked.args.getlist("q"),
                "team": asked.headers["X-Team"],
                "cookie": asked.cookies["b"],
                "host": asked.host,
                "body": len(asked.get_data()),
                "org": current().org_id,
                "source": self.settings.uid,
                "in a thread": threading.current_thread() is not threading.main_thread(),
            }

        @application.post("/size")
        def size() -> str:
            return str(len(flask.request.get_data()))

        @application.get("/many")
        def many() -> Any:
            return flask.Response((f"{number}\n" for number in range(100)), mimetype="text/csv")

        @application.get("/bug")
        def bug() -> Any:
            raise ValueError("a bug")

        return application


@pytest.mark.parametrize("method", METHODS)
async def test_flask_gets_the_whole_request(tmp_path: Path, method: str) -> None:
    headers = {
        "X-Team": ("a", "b"),
        "Cookie": ("a=1", "b=2"),
        "Host": ("grafana:3000",),
        "Content-Type": ("text/plain",),
        "Content-Length": ("99",),
    }
    asked = request("echo/Köln Hbf", method, "q=1&q=%C3%B6", headers=headers, body=b"abc")

    async with served(Weather, tmp_path) as client:
        (part,) = await parts_of(client, asked)

    assert (part.code, part.headers["Content-Type"]) == (200, ("application/json",))
    assert json.loads(part.body) == {
        "asked": [method, "/echo/Köln Hbf", "Köln Hbf"],
        "query": ["1", "ö"],
        "team": "a, b",
        "cookie": "2",
        "host": "grafana:3000",
        "body": 3,
        "org": 1,
        "source": "u",
        "in a thread": True,
    }


@pytest.mark.parametrize("size", [0, 16 * 1024 * 1024])
async def test_a_body_of_any_size_reaches_the_application(tmp_path: Path, size: int) -> None:
    async with served(Weather, tmp_path) as client:
        (part,) = await parts_of(client, request("size", "POST", body=bytes(size)))

    assert part.body == str(size).encode()


async def test_each_piece_is_a_message(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        first, *more = await parts_of(client, request("many"))

    assert (first.code, first.headers["Content-Type"]) == (200, ("text/csv; charset=utf-8",))
    assert [part.body for part in (first, *more)] == [f"{number}\n".encode() for number in range(100)]


async def test_what_flask_says_to_errors_is_the_answer(tmp_path: Path) -> None:
    async with served(Weather, tmp_path) as client:
        (bug,) = await parts_of(client, request("bug"))
        (missing,) = await parts_of(client, request("nowhere"))

    assert (bug.code, missing.code) == (500, 404)
    assert b"Internal Server Error" in bug.body


class Pieces:
    """What a WSGI application returns: it remembers that it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.closed = threading.Event()
        self._pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed.set()


async def raw(application: Callable[..., Any], folder: Path, **more: Any) -> list[ResourcePart]:
    async with served(type("Raw", (App,), {"wsgi": lambda self: application}), folder) as client:
        return await parts_of(client, request("a/b", **more))


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_pythons_own_judge_finds_nothing_wrong(tmp_path: Path, method: str) -> None:
    read: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        read.append(environ["wsgi.input"].read(3))
        start_response("200 OK", TEXT)
        return [b"" if method == "HEAD" else b"fine"]

    (part,) = await raw(validator(application), tmp_path, method=method, query="c=d", body=b"body")

    assert part == ResourcePart(200, {"Content-Type": ("text/plain",)}, b"" if method == "HEAD" else b"fine")
    assert read == [b"bod"]


async def test_pieces_are_closed_once_they_are_read(tmp_path: Path) -> None:
    pieces = Pieces(b"", b"one", b"", b"two")

    def application(environ: Any, start_response: Any) -> Pieces:
        start_response("200 OK", TEXT)
        return pieces

    parts = await raw(application, tmp_path)

    assert [part.body for part in parts] == [b"one", b"two"]
    assert pieces.closed.is_set()


async def test_what_is_written_goes_first(tmp_path: Path) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)(b"written")
        return [b"returned"]

    assert [part.body for part in await raw(application, tmp_path)] == [b"written", b"returned"]


async def test_an_answer_without_a_body_is_one_message(tmp_path: Path) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("304 Not Modified", [("ETag", "x")])
        return []

    assert await raw(application, tmp_path) == [ResourcePart(304, {"Etag": ("x",)})]


async def test_an_error_before_the_first_byte_may_change_status_and_headers(tmp_path: Path) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "1")])
        start_response("500 Oops", TEXT, (ValueError, ValueError("a bug"), None))
        return [b"oops"]

    assert await raw(application, tmp_path) == [ResourcePart(500, {"Content-Type": ("text/plain",)}, b"oops")]


def again(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return []


def unstarted(environ: Any, start_response: Any) -> list[bytes]:
    return [b"x"]


def silent(environ: Any, start_response: Any) -> list[bytes]:
    return []


def odd(environ: Any, start_response: Any) -> list[bytes]:
    start_response("fine", TEXT)
    return []


def failing(environ: Any, start_response: Any) -> list[bytes]:
    raise ValueError("a bug")


@pytest.mark.parametrize(
    ("application", "complaint"),
    [
        (again, "called start_response twice"),
        (unstarted, "answered without calling start_response first"),
        (silent, "answered without calling start_response first"),
        (odd, "the WSGI application said 'fine'; expected a status such as '200 OK'"),
        (failing, "a bug"),
    ],
)
async def test_an_application_that_fails_or_breaks_the_rules_is_answered_for(
    tmp_path: Path, application: Callable[..., Any], complaint: str
) -> None:
    (part,) = await raw(application, tmp_path)

    assert part.code == 500
    assert complaint in json.loads(part.body)["message"]


def breaking(pieces: Pieces) -> Callable[..., Any]:
    def application(environ: Any, start_response: Any) -> Pieces:
        start_response("200 OK", TEXT)
        return pieces

    return application


def restarting(pieces: Pieces) -> Callable[..., Any]:
    def application(environ: Any, start_response: Any) -> Pieces:
        error = ValueError("a bug")
        start_response("200 OK", TEXT)(b"first")
        start_response("500 Oops", TEXT, (ValueError, error, None))
        raise AssertionError("start_response raises the error")

    return application


@pytest.mark.parametrize("make", [breaking, restarting])
async def test_a_failure_after_the_first_piece_ends_the_answer_as_broken(
    tmp_path: Path, make: Callable[[Pieces], Any]
) -> None:
    pieces = Pieces(b"first", ValueError("a bug"))

    async with served(type("Raw", (App,), {"wsgi": lambda self: make(pieces)}), tmp_path) as client:
        answer = client.call_resource(request("x"), timeout=SECONDS)
        first = await anext(answer)
        with pytest.raises(CallFailed, match="a bug"):
            await anext(answer)

    assert first.body == b"first"
    assert pieces.closed.is_set() == (make is breaking)


async def test_who_goes_away_closes_the_pieces(tmp_path: Path) -> None:
    pieces = Pieces()
    pieces._pieces = iter(lambda: b"more", None)

    async with served(type("Raw", (App,), {"wsgi": lambda self: breaking(pieces)}), tmp_path) as client:
        async with aclosing(client.call_resource(request("x"), timeout=SECONDS)) as parts:
            assert (await anext(parts)).body == b"more"

        await eventually_async(pieces.closed.is_set, what="close()")
