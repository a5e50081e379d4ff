"""The Simple JSON plugin asks as the published one does, and reads more carefully what it is told."""

from __future__ import annotations

import base64
import json
import logging
import platform
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.host.executable import find_executable
from graftage.host.launch import LaunchOptions, RunningPlugin, launch
from graftage.host.plugin_json import read_plugin_json
from graftage.query.tsdb_json import encode_answer

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "simple-json-datasource"
RECORDED = ROOT / "tests" / "golden" / "http-api" / "real-plugins.7.5.5.json"
SPAN = TimeRange(1555324640000, 1555328240000, "1555324640000", "1555328240000")


@dataclass
class Upstream:
    """A scripted JSON backend. replies: status and body by path. asked: what it saw."""

    url: str = ""
    replies: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    def says(self, path: str, value: object, status: int = 200) -> None:
        self.replies[path] = status, value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    scripted = Upstream()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            scripted.asked.append((self.command, self.path, dict(self.headers), body))
            status, reply = scripted.replies[self.path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scripted.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield scripted
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plugin() -> AsyncIterator[RunningPlugin]:
    file = read_plugin_json(FOLDER / "plugin.json")
    executable = find_executable(FOLDER, file.executable, platform.system(), platform.machine())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graftage.host.launch.OFFERED_VERSIONS", (1,))  # as the published plugin was recorded
        async with launch(
            executable.path,
            plugin_id=file.id,
            options=LaunchOptions(),
            logger=logging.getLogger("test.simple-json"),
            interpreter=executable.interpreter,
        ) as running:
            yield running


async def ask(plugin: RunningPlugin, url: str, *models: dict[str, Any]) -> dict[str, Any]:
    """The results in JSON of queries A, B and so on."""
    source = DataSourceSettings(2, 1, "sj", "grafana-simple-json-backend-datasource", url=url)
    queries = [
        Query(ref_id, json.dumps({"refId": ref_id} | model, sort_keys=True, separators=(",", ":")))
        for ref_id, model in zip("ABCD", models, strict=False)
    ]
    results = await plugin.client.query(QueryRequest(SPAN, context_of(source), tuple(queries)), timeout=20)
    answer = encode_answer({result.ref_id: result for result in results})
    decoded: dict[str, dict[str, Any]] = json.loads(b"".join(answer))
    return decoded["results"]


def recorded(name: str) -> dict[str, Any]:
    cases: list[dict[str, Any]] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return next(case for case in cases if case["name"] == f"simple json: {name}")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "name", ["series", "table", "search", "search with values", "upstream sends an empty list", "null value"]
)
async def test_the_backend_is_asked_what_the_published_plugin_asks(
    plugin: RunningPlugin, upstream: Upstream, name: str
) -> None:
    case = recorded(name)
    for path, reply in case["upstream_reply"].items():
        upstream.says(path, reply["body"])
    await ask(plugin, upstream.url, *case["request"]["body"]["queries"])
    (expected,) = case["upstream_requests"]
    ((method, path, headers, body),) = upstream.asked
    assert (method, path, body) == (expected["method"], expected["path"], expected["body"])
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", ["series"])
async def test_a_series_comes_out_as_recorded(plugin: RunningPlugin, upstream: Upstream, name: str) -> None:
    case = recorded(name)
    upstream.says("/query", case["upstream_reply"]["/query"]["body"])
    assert (
        await ask(plugin, upstream.url, *case["request"]["body"]["queries"])
        == case["response"]["body"]["results"]
    )


async def test_the_rows_of_a_table_are_read_under_either_name_with_their_decimals(
    plugin: RunningPlugin, upstream: Upstream
) -> None:
    columns = [
        {"text": "Time", "type": "time"},
        {"text": "Country", "type": "string"},
        {"text": "Number", "type": "number"},
    ]
    rows = [[1234567, "SE", 123.9], [1234567, None, 231], [None, "DE"]]
    upstream.says("/query", [{"type": "table", "columns": columns, key: rows} for key in ("rows", "values")])
    results = await ask(plugin, upstream.url, {"target": "t", "type": "table"})
    expected = {
        "columns": [{"text": "Time"}, {"text": "Country"}, {"text": "Number"}],
        "rows": [[1234567, "SE", 123.9], [1234567, None, 231], [None, "DE"]],
    }
    assert results["A"]["tables"] == [expected, expected]
    assert results["A"]["series"] == []


async def test_a_cell_has_the_type_of_its_value_whatever_its_column_is_declared_as(
    plugin: RunningPlugin, upstream: Upstream
) -> None:
    row = [9007199254740993, 2**64, True, "12", {"a": 1}, "2019-04-15", 1.5, "later"]
    types = ["number", "number", "boolean", "number", "", "time", "string", "time"]
    columns = [{"text": f"c{index}", "type": type_} for index, type_ in enumerate(types)]
    upstream.says("/query", [{"columns": columns, "rows": [row]}])
    results = await ask(plugin, upstream.url, {"target": "t"})
    assert results["A"]["tables"][0]["rows"] == [
        [9007199254740993, 18446744073709552000, True, "12", '{"a":1}', "2019-04-15", 1.5, "later"]
    ]


async def test_null_is_a_gap(plugin: RunningPlugin, upstream: Upstream) -> None:
    upstream.says("/query", [{"target": "a", "datapoints": [[None, 1450754160000], [0, 1450754160001]]}])
    results = await ask(plugin, upstream.url, {"target": "a"})
    assert results["A"]["series"] == [{"name": "a", "points": [[None, 1450754160000], [0, 1450754160001]]}]


async def test_all_series_of_a_query_are_its_own(plugin: RunningPlugin, upstream: Upstream) -> None:
    upstream.says("/query", [{"target": "a", "datapoints": []}, {"target": "b", "datapoints": [[2, 2]]}])
    results = await ask(plugin, upstream.url, {"target": "*"})
    assert list(results) == ["A"]
    assert [series["name"] for series in results["A"]["series"]] == ["a", "b"]


async def test_each_query_asks_for_itself(plugin: RunningPlugin, upstream: Upstream) -> None:
    upstream.says("/query", [])
    results = await ask(plugin, upstream.url, {"target": "a"}, {"target": "b"})
    assert list(results) == ["A", "B"]
    assert sorted(json.loads(body)["targets"][0]["target"] for *_, body in upstream.asked) == ["a", "b"]


async def test_a_search_is_a_table_of_texts_and_values(plugin: RunningPlugin, upstream: Upstream) -> None:
    upstream.says("/search", ["upper_25", {"text": "two", "value": 2}])
    results = await ask(plugin, upstream.url, {"queryType": "search", "target": "upp"})
    table = {"columns": [{"text": "text"}, {"text": "value"}], "rows": [["upper_25", None], ["two", 2]]}
    assert results["A"]["tables"] == [table]


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (500, b"no", "/query answered 500 Internal Server Error: no"),
        (404, b"<html>\n  not\n here </html>", "/query answered 404 Not Found: <html> not here </html>"),
        (200, b"<html>", "/query answered 200 OK, but not as expected: JSON is malformed"),
        (200, b'{"error": "x"}', "Expected `array`, got `object`"),
        (200, b'[{"datapoints": [["x", 1]]}]', "at `$[0].datapoints[0][0]`"),
    ],
)
async def test_an_error_of_the_backend_is_told_under_its_query_and_no_other(
    plugin: RunningPlugin, upstream: Upstream, status: int, body: bytes, complaint: str
) -> None:
    upstream.says("/query", body, status)
    upstream.says("/search", ["fine"])
    results = await ask(plugin, upstream.url, {"target": "a"}, {"queryType": "search"})
    assert complaint in results["A"]["error"]
    assert upstream.url in results["A"]["error"]
    assert results["B"]["tables"][0]["rows"] == [["fine"]]
    assert "error" not in results["B"]


async def test_login_data_in_the_url_is_used_and_never_shown(
    plugin: RunningPlugin, upstream: Upstream
) -> None:
    upstream.says("/query", b"no", 403)
    url = upstream.url.replace("http://", "http://reader:p%40ss@") + "/?key=hidden"
    results = await ask(plugin, url, {"target": "a"})
    assert "answered 403 Forbidden" in results["A"]["error"]
    assert "p%40ss" not in results["A"]["error"]
    assert "hidden" not in results["A"]["error"]
    ((_, path, headers, _),) = upstream.asked
    assert path == "/query"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"reader:p@ss").decode()


async def test_a_backend_that_is_not_there_is_told(plugin: RunningPlugin) -> None:
    results = await ask(plugin, "http://127.0.0.1:1", {"target": "a"})
    assert "http://127.0.0.1:1/query cannot be reached" in results["A"]["error"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "", "ftp://x", "http://"])
async def test_a_url_that_is_no_web_address_is_refused(plugin: RunningPlugin, url: str) -> None:
    results = await ask(plugin, url, {"target": "a"})
    assert "needs a url that starts with http:// or https://" in results["A"]["error"]
