from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.types import ASGIApp, Message

from graftage.backend.context import DataSourceSettings
from graftage.backend.query import QueryRequest, Result
from graftage.backend.secrets import Secrets
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Frame
from graftage.data.intake import frame_from
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.errors import ERROR_CHARACTERS, CallFailed, NotFound, PluginTimeout
from graftage.query.execute import CALL_FAILED
from graftage.query.frames_json import encode_frames_answer, frames_results
from graftage.query.tsdb_json import encode_answer
from graftage.server.caller import caller
from graftage.server.long_answer import SMALL_ANSWER
from graftage.server.routes import query
from support.in_memory import app_with, client_of
from support.responsive import shortest_pause
from support.serving import serving
from support.sources import Sources

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"

NOW = datetime(2019, 4, 15, 10, 37, 20, tzinfo=UTC)
SOURCES = Sources(
    DataSourceSettings(1, 1, "Probe", "probe-datasource", secrets=Secrets({"key": "s3cr3t"}), uid="probe"),
    DataSourceSettings(2, 1, "Odd", "nobody-datasource", uid="odd"),
)
BODY = {"from": "1", "to": "2", "queries": [{"refId": "A", "datasourceId": 1}]}

Answering = Callable[[QueryRequest], Awaitable[tuple[Result, ...]]]


class Host:
    """One plugin, whose answers a test writes; it remembers what it was asked."""

    def __init__(self, answering: Answering | None = None) -> None:
        self._answering = answering
        self.requests: list[QueryRequest] = []

    async def query(self, plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        if plugin_id != "probe-datasource":
            raise NotFound(f"no plugin {plugin_id} is installed")
        self.requests.append(request)
        return await self._answering(request) if self._answering else ()


def app_of(host: Host) -> ASGIApp:
    return app_with(
        *query.routes(
            ask=host.query,
            sources=SOURCES,
            caller=caller,
            query_seconds=5,
            body_limit=10_000,
            clock=lambda: NOW,
        )
    )


def series(points: int) -> Series:
    return Series("s", np.arange(points, dtype=np.int64), np.arange(points, dtype=np.float64) / 2)


def answering(*results: Result) -> Host:
    async def answer(request: QueryRequest) -> tuple[Result, ...]:
        return results

    return Host(answer)


def failing(error: Exception) -> Host:
    async def answer(request: QueryRequest) -> tuple[Result, ...]:
        raise error

    return Host(answer)


async def post(host: Host, body: Any = BODY, path: str = "/api/tsdb/query") -> httpx.Response:
    async with client_of(app_of(host)) as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("path", ["/api/tsdb/query", "/api/tsdb/query/", "/api/tsdb/query?x=1"])
async def test_an_answer_is_what_the_plugin_said(path: str) -> None:
    response = await post(answering(Result("A", series=(series(2),))), path=path)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.text == (
        '{"results":{"A":{"refId":"A","series":[{"name":"s","points":[[0,0],[0.5,1]]}],"tables":null,"dataframes":null}}}'
    )


async def test_relative_times_are_told_from_the_clock() -> None:
    host = Host()
    await post(host, BODY | {"from": "now-1h", "to": "now"})
    (asked,) = host.requests
    assert (asked.time_range.from_ms, asked.time_range.to_ms) == (1_555_321_040_000, 1_555_324_640_000)
    assert asked.data_source is SOURCES.by_id(1)


async def test_an_error_in_a_result_is_400_beside_the_data() -> None:
    response = await post(answering(Result("A", error="no such metric")))
    assert response.status_code == 400
    assert response.text == (
        '{"results":{"A":{"error":"no such metric","refId":"A","series":[],"tables":null,"dataframes":null}},'
        '"message":"no such metric"}'
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [(CallFailed("INVALID_ARGUMENT", "bad <argument>"), 500), (PluginTimeout("too slow"), 504)],
)
async def test_a_failed_call_says_why_under_each_query(error: Exception, status: int) -> None:
    response = await post(failing(error))
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    body = response.json()
    assert (body["message"], body["results"]["A"]["error"]) == (CALL_FAILED, str(error))


async def test_no_secret_is_in_an_answer_when_everything_fails() -> None:
    for error in (CallFailed("UNKNOWN", "boom"), ZeroDivisionError(SOURCES.by_id(1))):
        response = await post(failing(error))
        assert response.status_code == 500
        assert "s3cr3t" not in response.text


async def test_queries_to_two_data_sources_are_asked_and_answered_together() -> None:
    body = BODY | {"queries": [{"refId": "A", "datasourceId": 1}, {"refId": "B", "datasourceId": 2}]}
    response = await post(answering(Result("A")), body)
    assert response.status_code == 500
    results = response.json()["results"]
    assert "error" not in results["A"]
    assert results["B"]["error"] == "no plugin nobody-datasource is installed"


async def test_a_body_over_the_limit_is_413() -> None:
    response = await post(Host(), BODY | {"x": "y" * 10_000})
    assert response.status_code == 413


@pytest.mark.parametrize(
    "result",
    [
        Result("A", series=(series(SMALL_ANSWER), series(1))),
        Result("A", error="x" * ERROR_CHARACTERS),
        Result("A", tables=(Table.of(["text"], [["long " * SMALL_ANSWER]]),)),
    ],
    ids=["points", "error", "text"],
)
async def test_a_long_answer_goes_out_in_parts_of_a_known_length(result: Result) -> None:
    expected = encode_answer({"A": result}, message=result.error)
    sent: list[Message] = []

    received = iter([{"type": "http.request", "body": json.dumps(BODY).encode()}])

    async def receive() -> Message:
        for message in received:
            return message
        return await asyncio.Future()  # the client stays

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/api/tsdb/query",
        "headers": [(b"content-type", b"application/json")],
    }
    await app_of(answering(result))(scope, receive, send)

    start, *parts = sent
    assert (b"content-length", str(sum(map(len, expected))).encode()) in start["headers"]
    assert b"".join(part["body"] for part in parts) == b"".join(expected)
    assert len(parts) > 1
    assert [part["more_body"] for part in parts] == [True] * (len(parts) - 1) + [False]


async def test_the_call_ends_when_the_client_goes_away() -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def answer(request: QueryRequest) -> tuple[Result, ...]:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ()

    body = json.dumps(BODY).encode()
    async with serving(app_of(Host(answer))) as address, asyncio.timeout(10):
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = "POST /api/tsdb/query HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await asked.wait()
        assert not cancelled.is_set()
        writer.close()
        await cancelled.wait()


# Where Grafana crashes, guesses, or sends a query to the data source of another one.
DELIBERATE = {
    "a query that is null": (400, "queries[0] is null; expected an object with a refId and a data source"),
    "second query null": (400, "queries[1] is null; expected an object with a refId and a data source"),
    "datasourceId zero": (400, "Invalid data source ID"),
    "only the first query's datasourceId counts": (400, "Invalid data source ID"),
    "query to a type nobody serves": (500, CALL_FAILED),
}


def recorded() -> list[object]:
    cases = json.loads((GOLDEN / "requests.7.5.5.json").read_text())
    return [pytest.param(case, id=case["name"]) for case in cases if "/tsdb/query" in case["request"]["path"]]


@pytest.mark.parametrize("case", recorded())
async def test_requests_are_answered_as_recorded_or_better(case: dict[str, Any]) -> None:
    sent, expected = case["request"], case["response"]
    text = sent["body_text"] if "body_text" in sent else json.dumps(sent["body"]) if "body" in sent else ""
    results = (
        [Result("A", series=(Series("s", np.array([2]), np.array([1.0])),))]
        if "plugin_response" in case
        else []
    )
    async with client_of(app_of(answering(*results))) as client:
        response = await client.request(
            sent["method"], sent["path"], headers=sent.get("headers"), content=text.encode()
        )

    if case["name"] in DELIBERATE:
        assert (response.status_code, response.json()["message"]) == DELIBERATE[case["name"]]
        return
    assert response.status_code == expected["status"]
    assert response.headers["content-type"] == expected["content_type"]
    assert response.text == expected["body_text"]
    own = {name: value for name, value in response.headers.multi_items() if not name.startswith("content-")}
    assert own == {name.lower(): value for name, value in expected["headers"]}


def by_uid(**more: object) -> dict[str, object]:
    return {"from": "1", "to": "2", "queries": [{"refId": "A", "datasource": {"uid": "probe"}, **more}]}


async def ask_frames(*results: Result, path: str = "/api/ds/query", body: object = None) -> httpx.Response:
    async with client_of(app_of(answering(*results))) as client:
        return await client.post(path, json=body or by_uid())


def frame(**fields: object) -> Frame:
    return frame_from(fields, name="cpu")


CPU = frame(time=np.array([1, 2], "datetime64[s]"), value=[1.5, None])


async def test_a_query_by_uid_is_answered_with_frames_as_json() -> None:
    response = await ask_frames(Result("A", arrow=(write_arrow(CPU),), status=200))

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    (shown,) = response.json()["results"]["A"]["frames"]
    assert response.text.startswith('{"results":{"A":{"status":200,"frames":[{"schema":{"name":"cpu",')
    assert shown["schema"]["refId"] == "A"
    assert shown["data"]["values"] == [[1000, 2000], [1.5, None]]


async def test_a_plugin_of_version_1_has_frames_as_well() -> None:
    response = await ask_frames(
        Result("A", series=(Series("s", np.array([7]), np.array([1.0]), {"a": "b"}),))
    )
    (shown,) = response.json()["results"]["A"]["frames"]
    assert [field["name"] for field in shown["schema"]["fields"]] == ["time", "value"]
    assert shown["schema"]["fields"][1]["labels"] == {"a": "b"}
    assert shown["data"]["values"] == [[7], [1]]


async def test_errors_stand_beside_frames_with_status_and_source() -> None:
    response = await ask_frames(
        Result("B", error="no such <metric>", status=404, error_source="downstream", arrow=()),
        Result("A", arrow=(write_arrow(CPU),), status=200),
    )
    assert response.status_code == 400
    assert (
        '"B":{"error":"no such \\u003cmetric\\u003e","errorSource":"downstream","status":404,"frames":[]}'
        in (response.text)
    )
    assert response.json()["message"] == "no such <metric>"


@pytest.mark.parametrize(
    ("said", "error", "shown"), [(0, "", 200), (0, "x", 500), (7, "", 500), (207, "", 207)]
)
async def test_a_status_that_is_none_is_guessed(said: int, error: str, shown: int) -> None:
    response = await ask_frames(Result("A", arrow=(), status=said, error=error))
    assert response.json()["results"]["A"]["status"] == shown


async def test_a_frame_that_cannot_be_read_fails_its_own_result_only() -> None:
    response = await ask_frames(Result("A", arrow=(b"no Arrow",)), Result("B", arrow=(write_arrow(CPU),)))
    results = response.json()["results"]
    assert response.status_code == 400
    assert "cannot be read" in results["A"]["error"]
    assert response.json()["message"] == results["A"]["error"]
    assert (results["A"]["status"], results["A"]["errorSource"]) == (500, "plugin")
    assert len(results["B"]["frames"]) == 1


async def test_queries_by_id_are_answered_with_the_files_just_as_they_came() -> None:
    file = write_arrow(CPU)
    for path, end in (("/api/tsdb/query", ""), ("/api/ds/query", "\n")):
        response = await ask_frames(Result("A", arrow=(file,), meta_json='{"a":1}'), path=path, body=BODY)
        expected = (
            '{"results":{"A":{"refId":"A","meta":{"a":1},"series":null,"tables":null,"dataframes":["%s"]}}}'
        )
        assert response.text == expected % b64encode(file).decode() + end


@pytest.mark.parametrize(
    "result",
    [
        Result("A", arrow=(write_arrow(frame(**{f"f{number}": np.empty(0) for number in range(5000)})),)),
        Result("A", arrow=(write_arrow(replace(CPU, meta={"custom": [{}] * 100_000})),)),
    ],
    ids=["many fields without rows", "much metadata"],
)
async def test_what_takes_long_to_write_holds_up_nobody_else(result: Result) -> None:
    began = perf_counter()
    written = encode_frames_answer(frames_results([result]))
    writing = perf_counter() - began

    async def ask() -> None:
        assert (await ask_frames(result)).content == b"".join(written)

    assert await shortest_pause(ask, below=writing / 2) < writing / 2


async def test_a_long_answer_of_frames_is_whole() -> None:
    many = frame(n=np.arange(3 * SMALL_ANSWER))
    response = await ask_frames(Result("A", arrow=(write_arrow(many),)))
    assert response.json()["results"]["A"]["frames"][0]["data"]["values"] == [list(range(3 * SMALL_ANSWER))]


@pytest.mark.parametrize(
    ("uid", "status", "complaint"), [("nobody", 404, "Data source not found"), ("__expr__", 400, "__expr__")]
)
async def test_a_data_source_that_cannot_be_asked_by_uid_is_refused(
    uid: str, status: int, complaint: str
) -> None:
    response = await ask_frames(body={"queries": [{"datasource": {"uid": uid}}]})
    assert response.status_code == status
    assert complaint in response.json()["message"]


async def test_a_query_without_a_data_source_is_refused_by_name() -> None:
    response = await ask_frames(body={"queries": [{"datasource": "probe"}, {"refId": "B"}]})
    assert (response.status_code, response.json()) == (
        400,
        {
            "message": "Query does not contain a valid data source identifier",
            "messageId": "query.invalidDatasourceId",
            "statusCode": 400,
            "traceID": "",
        },
    )


@pytest.mark.parametrize("path", ["/api/tsdb/query", "/api/ds/query"])
async def test_a_query_says_where_it_comes_from_but_brings_no_credentials(path: str) -> None:
    host = Host()
    async with client_of(app_of(host)) as client:
        headers = {"X-Dashboard-Uid": "d", "Authorization": "Basic x", "Cookie": "session=1"}
        await client.post(path, json=BODY, headers=headers)
    (asked,) = host.requests
    assert asked.headers == {"http_X-Dashboard-Uid": "d"}


async def test_a_failed_call_is_told_as_frames_are_with_whose_fault_it_is() -> None:
    failure = CallFailed("UNKNOWN", "no route to host", error_source="downstream")
    response = await post(failing(failure), by_uid(), "/api/ds/query")
    assert response.status_code == 500
    assert response.json()["results"]["A"] == {
        "error": "no route to host",
        "errorSource": "downstream",
        "status": 500,
        "frames": [],
    }
