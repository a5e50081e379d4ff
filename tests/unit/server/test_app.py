from __future__ import annotations

import logging

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from graftage.errors import BadRequest, Conflict, NotFound, PluginFault, PluginTimeout, PluginUnavailable
from graftage.server.answers import Refused, json_answer
from graftage.server.routing import Handler, Route
from support.in_memory import app_with, client_of

NO_CACHE = {"cache-control": "no-cache", "expires": "-1", "pragma": "no-cache"}
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "deny",
    "x-xss-protection": "1; mode=block",
}


def raising(error: Exception) -> Handler:
    async def handler(request: Request) -> Response:
        raise error

    return handler


async def answer(request: Request) -> Response:
    """An answer that says which placeholders there were."""
    return json_answer('{"id":"' + request.path_params.get("id", "") + '"}')


async def answered(
    handler: Handler, method: str = "GET", *, bare: bool = False
) -> tuple[int, dict[str, str], str]:
    async with client_of(app_with(Route("/api/x", {"GET": handler}, bare=bare))) as client:
        response = await client.request(method, "/api/x")
        return response.status_code, dict(response.headers), response.text


async def test_every_answer_carries_the_recorded_headers() -> None:
    status, headers, body = await answered(answer)
    assert (status, body) == (200, '{"id":""}')
    assert headers == {"content-type": "application/json", "content-length": "9"} | NO_CACHE | SECURITY


async def test_caching_of_somebody_elses_answer_is_left_alone() -> None:
    _, headers, _ = await answered(answer, bare=True)
    assert headers == {"content-type": "application/json", "content-length": "9"} | SECURITY


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    status, headers, body = await answered(answer, "HEAD")
    assert (status, headers["content-length"], body) == (200, "9", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_of_a_known_path_is_not_found(method: str) -> None:
    status, headers, body = await answered(answer, method)
    assert (status, body) == (404, '{"message":"Not found"}')
    assert headers["content-type"] == "application/json; charset=UTF-8"
    assert headers.items() >= (NO_CACHE | SECURITY).items()


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("GET", "/api/nope", "application/json; charset=UTF-8"),
        ("GET", "/api/", "application/json; charset=UTF-8"),
        ("POST", "/nope", "application/json; charset=UTF-8"),
        ("GET", "/nope", "text/html; charset=UTF-8"),
    ],
)
async def test_an_unknown_path_is_json_for_programs_and_a_page_for_people(
    method: str, path: str, content_type: str
) -> None:
    async with client_of(app_with()) as client:
        response = await client.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (404, content_type)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest("<no>"), 400),
        (NotFound("<no>"), 404),
        (Conflict("<no>"), 409),
        (Refused(403, "<no>"), 403),
        (PluginUnavailable("<no>"), 502),
        (PluginTimeout("<no>"), 504),
        (PluginFault("<no>"), 500),
    ],
)
async def test_an_error_that_people_shall_read_is_a_status_and_its_message(
    error: Exception, status: int
) -> None:
    found, headers, body = await answered(raising(error))
    assert (found, body) == (status, '{"message":"\\u003cno\\u003e"}')
    assert headers["content-type"] == "application/json"


async def test_a_crash_is_logged_and_tells_the_caller_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status, headers, body = await answered(raising(ZeroDivisionError("s3cr3t")))
    assert (status, headers["content-type"]) == (500, "application/json; charset=UTF-8")
    assert body == (
        '{"error":"Server Error","message":"Internal Server Error - '
        'Check the Grafana server logs for the detailed error message."}'
    )
    assert "s3cr3t" in caplog.text


async def test_nobody_is_answered_when_the_client_is_gone() -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    app = app_with(Route("/api/x", {"GET": raising(ClientDisconnect())}))
    await app({"type": "http", "method": "GET", "raw_path": b"/api/x", "headers": []}, receive, send)
    assert sent == []


async def test_paths_are_matched_as_they_were_sent() -> None:
    async with client_of(app_with(Route("/api/x/:id", {"GET": answer}))) as client:
        assert (await client.get("/api/x/a%2Fb?id=c")).json() == {"id": "a/b"}


async def test_headers_of_the_handler_are_kept() -> None:
    async def handler(request: Request) -> Response:
        return PlainTextResponse("Ok", headers={"x-own": "1"})

    _, headers, _ = await answered(handler)
    assert (headers["x-own"], headers["content-type"]) == ("1", "text/plain; charset=utf-8")
