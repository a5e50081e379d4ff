"""Health, metrics and resources of plugins over HTTP, with a plugin that a test writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import httpx
import pytest

from graftage.backend.context import PluginContext, User
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.errors import CallFailed, GraftageError, NotImplementedByPlugin, PluginNotRunning
from graftage.host.discovery import InstalledPlugin
from graftage.host.plugin_json import parse_plugin_json
from graftage.server.callee import Callees
from graftage.server.resource_forwarding import plugin_headers
from graftage.server.routes import plugin_health, resources
from graftage.store.data_sources import DataSource
from support.in_memory import app_with, client_of
from support.serving import serving

PLUGINS = [
    InstalledPlugin(parse_plugin_json(text.encode()), Path("/plugins"))
    for text in (
        '{"id": "probe", "name": "Probe", "type": "datasource", "backend": true, "executable": "x"}',
        '{"id": "plain", "name": "No backend", "type": "datasource"}',
    )
]
SOURCES = [
    DataSource(
        "V2",
        "probe",
        "proxy",
        id=1,
        uid="v2",
        json_data='{"keepCookies":["keep"]}',
        secrets=Secrets({"k": "v"}),
        updated_ms=7,
    ),
    DataSource("Plain", "plain", "proxy", id=2, uid="plain"),
    DataSource("Odd", "nobody", "proxy", id=3, uid="odd"),
]
VIEWER = User(role="Viewer")


@dataclass
class Plugin:
    """Answers what a test says, or raises it; remembers what it was asked."""

    report: HealthReport | GraftageError = field(default_factory=lambda: HealthReport(1, "probe ok"))
    metrics: bytes | GraftageError = b"probe_calls 3\n"
    parts: tuple[ResourcePart | GraftageError, ...] = ()
    asked: list[HealthRequest | PluginContext | ResourceRequest] = field(default_factory=list)
    pause: asyncio.Event | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def check_health(self, plugin_id: str, request: HealthRequest, *, timeout: float) -> HealthReport:
        self.asked.append(request)
        if isinstance(self.report, GraftageError):
            raise self.report
        return self.report

    async def collect_metrics(self, plugin_id: str, context: PluginContext, *, timeout: float) -> bytes:
        self.asked.append(context)
        if isinstance(self.metrics, GraftageError):
            raise self.metrics
        return self.metrics

    async def call_resource(
        self, plugin_id: str, request: ResourceRequest, *, timeout: float
    ) -> AsyncIterator[ResourcePart]:
        self.asked.append(request)
        try:
            for part in self.parts:
                if isinstance(part, GraftageError):
                    raise part
                yield part
                if self.pause is not None:
                    await self.pause.wait()
        finally:
            self.closed.set()


def app_of(plugin: Plugin):
    def find(**wanted: object) -> DataSource | None:
        ((key, value),) = wanted.items()
        return next((source for source in SOURCES if getattr(source, key) == value), None)

    callees = Callees(lambda number: find(id=number), lambda uid: find(uid=uid), PLUGINS)
    shared = {"plugins": plugin, "callees": callees, "caller": lambda _: VIEWER, "seconds": 5.0}
    return app_with(*plugin_health.routes(**shared), *resources.routes(**shared))


def client(plugin: Plugin) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return client_of(app_of(plugin))


async def get(plugin: Plugin, path: str, **options: object) -> httpx.Response:
    async with client(plugin) as http:
        return await http.request(str(options.pop("method", "GET")), path, **options)


@pytest.mark.parametrize(
    ("report", "by_id", "by_uid", "body"),
    [
        (HealthReport(1, "fine"), 200, 200, '{"message":"fine","status":"OK"}'),
        (HealthReport(2, "no <b>"), 503, 400, '{"message":"no \\u003cb\\u003e","status":"ERROR"}'),
        (HealthReport(0), 503, 400, '{"message":"","status":"UNKNOWN"}'),
        (HealthReport(7, "?"), 503, 400, '{"message":"?","status":"UNKNOWN"}'),
        (
            HealthReport(1, "m", b'{"z":"x","a":{"d":1.50,"c":12345678901234567890}}'),
            200,
            200,
            '{"details":{"a":{"c":12345678901234567000,"d":1.5},"z":"x"},"message":"m","status":"OK"}',
        ),
        (HealthReport(1, "m", b"null"), 200, 200, '{"details":null,"message":"m","status":"OK"}'),
        (
            HealthReport(1, "m", b'{"\xff":"\\ud800"}'),
            200,
            200,
            '{"details":{"\ufffd":"\ufffd"},"message":"m","status":"OK"}',
        ),
    ],
)
async def test_health_is_what_the_plugin_says(
    report: HealthReport, by_id: int, by_uid: int, body: str
) -> None:
    old = await get(Plugin(report), "/api/datasources/1/health")
    new = await get(Plugin(report), "/api/datasources/uid/v2/health")
    of_plugin = await get(Plugin(report), "/api/plugins/probe/health")
    assert [old.status_code, new.status_code, of_plugin.status_code] == [by_id, by_uid, by_id]
    assert {old.text, new.text, of_plugin.text} == {body}
    assert old.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "details",
    [
        b"[1]",
        b"{",
        b"7",
        b"[" * 100_000,
        b'{"a":%b}' % (b"[" * 500 + b"]" * 500),
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":%b}' % (b"9" * 400),
        b'{"a":"%b"}' % (b" " * plugin_health.DETAILS_LIMIT),
    ],
    ids=["array", "cut short", "number", "never closed", "deep", "NaN", "infinite", "too large", "too long"],
)
async def test_details_that_are_no_object_are_the_plugins_fault(details: bytes) -> None:
    answer = await get(Plugin(HealthReport(1, "", details)), "/api/datasources/1/health")
    assert answer.status_code == 500
    assert answer.json() == {"message": "Failed to unmarshal detailed response from backend plugin"}


V1 = NotImplementedByPlugin("no", version=1)
V2 = NotImplementedByPlugin("no", version=2)
FAILED = CallFailed("UNKNOWN", "secret reasons")
DOWN = PluginNotRunning("it fails to start")
UNAVAILABLE = {"message": "Plugin unavailable"}
UNIMPLEMENTED = {"message": "Health check not implemented", "status": "UNKNOWN"}


@pytest.mark.parametrize(
    ("path", "error", "status", "body"),
    [
        ("/api/datasources/1/health", FAILED, 500, {"message": "Plugin health check failed"}),
        ("/api/datasources/1/health", DOWN, 503, UNAVAILABLE),
        ("/api/datasources/1/health", V2, 503, UNIMPLEMENTED),
        ("/api/datasources/1/health", V1, 404, {"message": "Not found"}),
        ("/api/datasources/uid/v2/health", V2, 404, {"message": "Not found"}),
        ("/api/plugins/probe/metrics", V1, 404, {"message": "Not found"}),
        ("/api/plugins/probe/metrics", DOWN, 503, UNAVAILABLE),
        ("/api/datasources/1/resources/x", FAILED, 500, {"message": "Failed to call resource"}),
        ("/api/datasources/1/resources/x", DOWN, 503, UNAVAILABLE),
        ("/api/datasources/1/resources/x", V2, 404, {"message": "Not found"}),
        ("/api/datasources/1/resources/x", None, 500, {"message": "Failed to call resource"}),
    ],
)
async def test_what_a_plugin_cannot_do_is_told_as_grafana_does(
    path: str, error: GraftageError | None, status: int, body: object
) -> None:
    plugin = Plugin(error, error, () if error is None else (error,)) if error else Plugin()
    answer = await get(plugin, path)
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/datasources/9/health", 500, "Unable to load datasource metadata"),
        ("/api/datasources/abc/health", 500, "Unable to load datasource metadata"),
        ("/api/datasources/2/health", 404, "Plugin not found"),
        ("/api/datasources/3/health", 500, "Unable to find datasource plugin"),
        ("/api/datasources/uid/none/health", 404, "Data source not found"),
        ("/api/plugins/none/health", 404, "Plugin not found"),
        ("/api/plugins/none/metrics", 404, "Plugin not found"),
        ("/metrics/plugins/none", 404, "Plugin not found"),
        ("/api/datasources/9/resources/x", 500, "Unable to load datasource meta data"),
        ("/api/datasources/2/resources/x", 500, "Failed to call resource"),
        ("/api/datasources/3/resources/x", 500, "Unable to find datasource plugin"),
        ("/api/datasources/uid/none/resources", 404, "Data source not found"),
        ("/api/plugins/none/resources/x", 404, "Plugin not found"),
    ],
)
async def test_whom_nobody_knows_is_told_as_grafana_does(path: str, status: int, message: str) -> None:
    plugin = Plugin()
    answer = await get(plugin, path)
    assert (answer.status_code, answer.json()) == (status, {"message": message})
    assert plugin.asked == []


@pytest.mark.parametrize("path", ["/api/plugins/probe/metrics", "/metrics/plugins/probe"])
async def test_the_metrics_of_a_plugin_are_passed_on_as_they_are(path: str) -> None:
    answer = await get(Plugin(), path)
    assert (answer.status_code, answer.content) == (200, b"probe_calls 3\n")
    assert answer.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("sent", "path", "url"),
    [
        ("", "", ""),
        ("/", "", ""),
        ("/a/b/", "a/b", "a/b"),
        ("/a%20b/c%2Fd?x=1&y=a%20b&x=2", "a b/c/d", "a%20b/c/d?x=1&y=a%20b&x=2"),
        ("/%C3%BC/$&+,:;=@", "ü/$&+,:;=@", "%C3%BC/$&+,:;=@"),
    ],
)
@pytest.mark.parametrize("prefix", ["/api/datasources/1", "/api/datasources/uid/v2", "/api/plugins/probe"])
async def test_a_resource_is_asked_for_by_its_own_path(prefix: str, sent: str, path: str, url: str) -> None:
    plugin = Plugin(parts=(ResourcePart(200, {}, b"{}"),))
    assert (
        await get(plugin, f"{prefix}/resources{sent}", method="PATCH", content=b"body")
    ).status_code == 200
    (asked,) = plugin.asked
    assert isinstance(asked, ResourceRequest)
    assert (asked.path, asked.url, asked.method, asked.body) == (path, url, "PATCH", b"body")


async def test_a_plugin_sees_headers_but_not_who_called_through_whom() -> None:
    plugin = Plugin(parts=(ResourcePart(200),))
    sent = [
        ("Cookie", "keep=1; drop=2"),
        ("x-custom", "a"),
        ("X-Custom", "b"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Host", "h"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
    ]
    await get(plugin, "/api/datasources/1/resources/x", headers=sent)
    (asked,) = plugin.asked
    assert isinstance(asked, ResourceRequest)
    headers = {name: values for name, values in asked.headers.items() if name.startswith(("X-", "C"))}
    assert headers == {
        "Cookie": ("keep=1",),
        "X-Custom": ("a", "b"),
        "X-Forwarded-For": ("10.0.0.1, 127.0.0.1",),
    }


@pytest.mark.parametrize(
    "received",
    [
        [("x-same", "v")] * 40_000,
        [("connection", ",".join(f"y{n}" for n in range(20_000))), *((f"x-{n}", "v") for n in range(20_000))],
    ],
    ids=["one header again and again", "many headers named by another"],
)
def test_a_head_full_of_headers_is_read_in_no_time(received: list[tuple[str, str]]) -> None:
    began = perf_counter()
    headers = plugin_headers(received, cookies=frozenset(), client="")
    assert perf_counter() - began < 1
    assert sum(map(len, headers.values())) == len([name for name, _ in received if name != "connection"])


async def test_a_call_names_the_user_the_data_source_and_its_secrets() -> None:
    plugin = Plugin(parts=(ResourcePart(200),))
    await get(plugin, "/api/datasources/1/resources/x")
    await get(plugin, "/api/datasources/1/health")
    for asked in plugin.asked:
        assert isinstance(asked, HealthRequest | ResourceRequest)
        context = asked.context
        assert (context.org_id, context.plugin_id, context.user, context.app) == (1, "probe", VIEWER, None)
        assert context.data_source == SOURCES[0].settings()


async def test_a_plugin_without_a_data_source_is_called_as_an_app_that_nobody_configured() -> None:
    plugin = Plugin()
    await get(plugin, "/api/plugins/probe/health")
    (asked,) = plugin.asked
    assert isinstance(asked, HealthRequest)
    assert asked.context.data_source is None
    assert asked.context.app is not None
    assert (asked.context.app.json, asked.context.app.updated_ms) == ("", -6795364578871)


async def test_an_answer_keeps_its_status_and_headers_but_sets_no_cookies() -> None:
    headers = {
        "X-One": ("1", "2"),
        "Set-Cookie": ("a=b",),
        "Content-Type": ("text/x",),
        "Content-Length": ("9",),
    }
    answer = await get(
        Plugin(parts=(ResourcePart(418, headers, b"ab"), ResourcePart(body=b"c"))),
        "/api/datasources/1/resources/x",
    )
    assert (answer.status_code, answer.content) == (418, b"abc")
    assert answer.headers.get_list("x-one") == ["1", "2"]
    assert answer.headers["content-type"] == "text/x"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-frame-options"] == "deny"


async def test_a_plugin_may_say_how_long_its_answer_keeps() -> None:
    answer = await get(
        Plugin(parts=(ResourcePart(200, {"cache-control": ("max-age=60",)}),)),
        "/api/plugins/probe/resources/x",
    )
    assert answer.headers.get_list("cache-control") == ["max-age=60"]
    assert "expires" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/datasources/1/resources/x", 200, "application/json"),
        ("/api/datasources/1/resources/x", 204, "application/json"),
        ("/api/datasources/uid/v2/resources/x", 200, "application/json"),
        ("/api/datasources/uid/v2/resources/x", 204, None),
    ],
)
async def test_an_answer_without_a_type_is_json(path: str, status: int, kind: str | None) -> None:
    answer = await get(Plugin(parts=(ResourcePart(status),)), path)
    assert (answer.status_code, answer.headers.get("content-type")) == (status, kind)
    assert answer.headers.get("content-security-policy") == ("sandbox" if "uid" in path else None)


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (0, 200, b"text"),
        (101, 200, b"text"),
        (204, 204, b""),
        (304, 304, b""),
        (599, 599, b"text"),
        (999, 500, b"text"),
    ],
)
async def test_every_status_of_a_plugin_ends_in_a_whole_answer(
    said: int, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = Plugin(parts=(ResourcePart(said, {}, b"te"), ResourcePart(body=b"xt")))
    async with serving(app_of(plugin)) as address, httpx.AsyncClient() as http:
        for _ in range(2):  # over one connection
            answer = await http.get(f"http://{address}/api/datasources/1/resources/x")
            assert (answer.status_code, answer.content) == (status, body)
    assert caplog.messages == [], "nothing broke where the client cannot see it"


async def test_headers_that_http_does_not_allow_do_not_break_an_answer() -> None:
    headers = {"X-Lines": ("a\r\nSet-Cookie: b=c",), "no name": ("1",), "": ("1",)}
    plugin = Plugin(parts=(ResourcePart(200, headers, b"text"),))
    async with serving(app_of(plugin)) as address, httpx.AsyncClient() as http:
        answer = await http.get(f"http://{address}/api/datasources/1/resources/x")
    assert (answer.headers["x-lines"], answer.text) == ("a  Set-Cookie: b=c", "text")
    assert not {"set-cookie", "no name", ""} & answer.headers.keys()


async def test_a_body_that_no_plugin_would_take_is_413() -> None:
    plugin = Plugin(parts=(ResourcePart(200),))
    answer = await get(
        plugin,
        "/api/datasources/1/resources/x",
        method="POST",
        content=b"x" * (resources.BODY_LIMIT + 1),
    )
    assert (answer.status_code, plugin.asked) == (413, [])


async def test_each_part_goes_out_as_it_comes_and_a_caller_that_leaves_ends_the_call() -> None:
    plugin = Plugin(
        parts=(ResourcePart(200, {}, b"part0;"), ResourcePart(body=b"part1;")), pause=asyncio.Event()
    )
    async with (
        serving(app_of(plugin)) as address,
        httpx.AsyncClient() as http,
        http.stream("GET", f"http://{address}/api/datasources/1/resources/x") as answer,
    ):
        assert await anext(answer.aiter_raw()) == b"part0;"
        assert not plugin.closed.is_set()
    async with asyncio.timeout(5):
        await plugin.closed.wait()


async def test_an_answer_that_breaks_off_is_not_passed_off_as_whole() -> None:
    plugin = Plugin(parts=(ResourcePart(200, {}, b"part0;"), FAILED))
    async with serving(app_of(plugin)) as address, httpx.AsyncClient() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"http://{address}/api/datasources/1/resources/x")


async def test_a_check_of_health_brings_the_cookies_that_its_data_source_names() -> None:
    plugin = Plugin()
    async with client_of(app_of(plugin)) as client:
        headers = {"Cookie": "keep=1; drop=2", "X-Panel-Id": "7", "FromAlert": "true"}
        await client.get("/api/datasources/1/health", headers=headers)
    (asked,) = plugin.asked
    assert isinstance(asked, HealthRequest)
    assert asked.headers == {"Cookie": "keep=1", "http_X-Panel-Id": "7"}


@pytest.mark.parametrize("path", ["/api/datasources/99/resources/x", "/api/plugins/nope/resources/x"])
async def test_what_the_server_says_itself_about_a_resource_is_not_kept(path: str) -> None:
    answer = await get(Plugin(), path)
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/api/datasources/1/health", "/api/plugins/probe/metrics", "/api/datasources/1/resources/x"]
)
async def test_the_log_keeps_the_beginning_of_a_long_reason_only(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = CallFailed("UNKNOWN", "x" * 1_000_000)
    assert (await get(Plugin(error, error, (error,)), path)).status_code == 500
    (record,) = [record for record in caplog.records if record.name.startswith("graftage")]
    assert 2000 < len(record.getMessage()) < 3000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-a": ("v",) * 1000}, 200),
        ({"x-a": ("v",) * 1001}, 500),
        ({f"x-{number}": () for number in range(1001)}, 500),
        ({"x-a": ("v" * 65_533,)}, 200),
        ({"x-a": ("v" * 65_534,)}, 500),
        ({"Set-Cookie": ("v" * 65_534,)}, 500),
    ],
    ids=["most values", "values", "names", "most text", "text", "text that is left out anyway"],
)
async def test_headers_that_nobody_would_take_are_refused(
    headers: dict[str, tuple[str, ...]], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await get(Plugin(parts=(ResourcePart(200, headers, b"{}"),)), "/api/datasources/1/resources/x")
    assert answer.status_code == status
    if status == 500:
        assert answer.json() == {"message": "Failed to call resource"}
        assert "expected at most 1,000 header values of 65,536 characters together" in caplog.text
