from __future__ import annotations

import asyncio
import gzip
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from graftage.backend.secrets import Secrets
from graftage.server.metrics import Metrics
from graftage.server.routes import proxy
from graftage.store.data_sources import DataSource
from support.in_memory import app_with
from support.serving import serving

# Made once: reading the certificates of the system takes longer than any test here.
TRUST = ssl.create_default_context()

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"


@dataclass
class Upstream:
    """The server behind a data source: it answers by script and remembers what reached it."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("Content-Type", "application/json")])
    parts: list[bytes] = field(default_factory=lambda: [b'{"upstream":"ok"}'])
    requests: list[dict[str, Any]] = field(default_factory=list)
    pause: asyncio.Event | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = scope["query_string"].decode()
        self.requests.append(
            {
                "method": scope["method"],
                "path": scope["raw_path"].decode() + (f"?{query}" if query else ""),
                "headers": sorted([name.decode(), value.decode()] for name, value in scope["headers"]),
                "body": body.decode(),
            }
        )
        headers = [(name.encode(), value.encode()) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            if self.pause is not None:
                pausing = asyncio.create_task(self.pause.wait())
                leaving = asyncio.create_task(receive())
                await asyncio.wait({pausing, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if leaving.done():
                    self.left.set()
                for task in (pausing, leaving):
                    task.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def proxied(
    *sources: DataSource, upstream: Upstream | None = None, metrics: Metrics | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client of our server, and where the upstream listens: `{}` in a data source's url stands for it."""
    counted = metrics or Metrics(reported_version="7.5.5", own_version="1")
    async with serving(upstream or Upstream()) as address, proxy.connections(TRUST) as transport:
        by_id = {
            number: source if "{}" not in source.url else _with_url(source, source.url.format(address))
            for number, source in enumerate(sources, start=1)
        }
        routes = proxy.routes(
            data_source=by_id.get,
            has_plugin=lambda plugin_id: plugin_id != "nobody",
            transport=transport,
            metrics=counted,
            reported_version="7.5.5",
        )
        async with (
            serving(app_with(*routes, metrics=counted)) as server,
            httpx.AsyncClient(base_url=f"http://{server}", verify=TRUST, trust_env=False) as client,
        ):
            client.headers.clear()
            yield client, address


def _with_url(source: DataSource, url: str) -> DataSource:
    return replace(source, url=url)


PLAIN = DataSource("plain", "probe-datasource", "proxy", url="http://{}/root")


def recorded() -> tuple[list[DataSource], list[object]]:
    """The data sources of the recording, and the calls that concern no plugin routes and no special types."""
    sources, calls = [], []
    for case in json.loads((GOLDEN / "proxy.7.5.5.json").read_text()):
        request = case.get("request") or {}
        if request.get("path") == "/api/datasources":
            sources.append(_recorded_source(request["body"]))
        elif "/proxy/" in request.get("path", "") and int(case["seq"]) <= 57:
            calls.append(pytest.param(case, id=case["name"]))
    return sources, calls


def _recorded_source(body: dict[str, Any]) -> DataSource:
    return DataSource(
        body["name"],
        body["type"],
        body["access"],
        url=body["url"].replace("{{UPSTREAM}}", "{}"),
        basic_auth=body.get("basicAuth", False),
        basic_auth_user=body.get("basicAuthUser", ""),
        basic_auth_password=body.get("basicAuthPassword", ""),
        json_data=json.dumps(body.get("jsonData", {})),
        secrets=Secrets(body.get("secureJsonData", {})),
    )


SOURCES, CALLS = recorded()


@pytest.mark.parametrize("case", CALLS)
async def test_a_call_goes_out_and_comes_back_as_recorded(case: dict[str, Any]) -> None:
    upstream = Upstream()
    if reply := (case.get("upstream_reply") or {}).get("*"):
        upstream.status = reply.get("status", 200)
        upstream.headers = [(name, value) for name, value in reply.get("headers", upstream.headers)]
        upstream.parts = [reply.get("body", '{"upstream":"ok"}').encode()]
    sent, expected = case["request"], case["response"]
    async with proxied(*SOURCES, upstream=upstream) as (client, address):
        body = json.dumps(sent["body"], separators=(",", ":")) if "body" in sent else None
        response = await client.send(
            httpx.Request(
                sent["method"],
                client.base_url,
                headers=sent.get("headers"),
                content=sent.get("body_text") or body,
                extensions={"target": sent["path"].encode()},
            )
        )

    def as_ours(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Recorded requests, with the two differences there are."""
        text = json.dumps(requests).replace("{{UPSTREAM}}", address)
        once = json.loads(text.replace("127.0.0.1, 127.0.0.1", "127.0.0.1"))
        for request in once:
            request["headers"] = sorted([name.lower(), value] for name, value in request["headers"])
            if "caller's own" in case["name"]:
                request["headers"] = [header for header in request["headers"] if header[0] != "authorization"]
        return once  # type: ignore[no-any-return]

    assert upstream.requests == as_ours(case.get("upstream_requests") or [])
    assert (response.status_code, response.headers.get("content-type")) == (
        expected["status"],
        expected["content_type"],
    )
    assert response.text == (expected["body_text"] or "")
    own = {
        name: value
        for name, value in response.headers.items()
        if name not in ("content-type", "content-length")
    }
    own.pop("transfer-encoding", None)
    assert own == {name.lower(): value for name, value in expected["headers"]}


async def test_a_request_is_passed_on_while_it_arrives() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first "
        yield b"second"

    upstream = Upstream()
    async with proxied(PLAIN, upstream=upstream) as (client, _):
        await client.post("/api/datasources/proxy/1/x", content=parts())
    (request,) = upstream.requests
    assert request["body"] == "first second"
    assert ["transfer-encoding", "chunked"] in request["headers"]


async def test_an_answer_is_passed_on_while_it_arrives() -> None:
    upstream = Upstream(parts=[b"first", b"second"], pause=asyncio.Event())
    async with (
        asyncio.timeout(10),
        proxied(PLAIN, upstream=upstream) as (client, _),
        client.stream("GET", "/api/datasources/proxy/1/x") as response,
    ):
        parts = response.aiter_raw()
        assert await anext(parts) == b"first"
        upstream.pause.set()
        assert await anext(parts) == b"second"


async def test_the_upstream_is_let_go_when_the_client_leaves() -> None:
    upstream = Upstream(pause=asyncio.Event())
    async with proxied(PLAIN, upstream=upstream) as (client, _), asyncio.timeout(10):
        async with client.stream("GET", "/api/datasources/proxy/1/x") as response:
            assert response.status_code == 200
        await upstream.left.wait()


async def test_what_was_packed_for_us_is_unpacked_for_the_caller() -> None:
    packed = gzip.compress(b"plain text")
    upstream = Upstream(
        parts=[packed], headers=[("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))]
    )
    async with proxied(PLAIN, upstream=upstream) as (client, _):
        unasked = await client.get("/api/datasources/proxy/1/x")
        assert "content-encoding" not in unasked.headers
        assert (unasked.text, unasked.headers["content-type"]) == ("plain text", "text/plain; charset=utf-8")

        async with client.stream(
            "GET", "/api/datasources/proxy/1/x", headers={"Accept-Encoding": "gzip"}
        ) as asked:
            assert asked.headers["content-encoding"] == "gzip"
            assert b"".join([part async for part in asked.aiter_raw()]) == packed


@pytest.mark.parametrize("path", ["0/x", "-1/x", "99999999999999999999/x", "1.0/x", "%D9%A1/x", "uid/x"])
async def test_an_id_of_nothing_is_unknown(path: str) -> None:
    async with proxied(PLAIN) as (client, _):
        response = await client.get(f"/api/datasources/proxy/{path}")
    assert (response.status_code, response.json()) == (
        500,
        {"message": "Unable to load datasource meta data"},
    )


@pytest.mark.parametrize("path", ["1/x", "01/x", "+1/x", "%31/x"])
async def test_an_id_may_be_written_in_several_ways(path: str) -> None:
    async with proxied(PLAIN) as (client, _):
        assert (await client.get(f"/api/datasources/proxy/{path}")).status_code == 200


async def test_a_refused_address_is_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """127.0.0.1 is declared off limits here: no test can listen at 169.254.169.254."""
    upstream = Upstream()
    async with proxied(PLAIN, upstream=upstream) as (client, address):
        host = address.partition(":")[0]
        monkeypatch.setattr(proxy, "_METADATA", {ip_address(host)})
        response = await client.get("/api/datasources/proxy/1/x")
    assert response.status_code == 403
    assert "127.0.0.1" in response.json()["message"]
    assert upstream.requests == []


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "100.100.100.200", "fd00:ec2::254"]
)
def test_addresses_of_the_machines_own_network_are_known(address: str) -> None:
    assert proxy.is_refused(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "fd00::1"])
def test_private_addresses_are_where_data_sources_live(address: str) -> None:
    assert not proxy.is_refused(address)


async def test_calls_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(reported_version="7.5.5", own_version="1")
    dead = DataSource("dead", "probe-datasource", "proxy", url="http://127.0.0.1:1/")
    with caplog.at_level(logging.ERROR):
        async with proxied(PLAIN, dead, metrics=metrics) as (client, _):
            await client.get("/api/datasources/proxy/1/x")
            await client.get("/api/datasources/proxy/2/x")
    shown = metrics.exposition().decode().splitlines()
    for line in (
        'grafana_datasource_request_total{code="200",datasource="plain",method="get"} 1.0',
        'grafana_datasource_response_size_bytes_sum{datasource="plain"} 17.0',
        "grafana_api_dataproxy_request_all_milliseconds_count 2.0",
        'grafana_proxy_response_status_total{code="200"} 1.0',
        'http_request_total{handler="/api/datasources/proxy/:id/*",method="get",statuscode="502"} 1.0',
    ):
        assert line in shown
    assert "data source" in caplog.text
