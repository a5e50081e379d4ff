"""A plugin on Grafana's current SDK for Go in our host: every service of version 2, answers and errors."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from graftage.backend.admission import (
    AdmissionRequest,
    Conversion,
    ConversionRequest,
    Kind,
    Operation,
    RawObject,
    Reason,
    Verdict,
)
from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext, User
from graftage.backend.frames import frames_of
from graftage.backend.health import HealthReport, HealthRequest, HealthStatus
from graftage.backend.query import Chunk, Query, QueryRequest, Result, TimeRange
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.backend.stream import StreamAnswer, StreamRequest, StreamStatus
from graftage.data.arrow.reader import read_arrow
from graftage.data.frame import FieldType, Frame
from graftage.data.frame_json import write_frame_json
from graftage.errors import CallFailed, PluginTimeout, PluginUnavailable
from graftage.host.discovery import discover
from graftage.host.host import Host, HostOptions
from graftage.host.launch import LaunchOptions
from graftage.host.supervision import BackOff
from support.frames import plain
from support.go import build_sdk

PLUGIN = "interop-datasource"
SOURCE = DataSourceSettings(
    7,
    2,
    "Interop",
    PLUGIN,
    url="http://localhost:1",
    json='{"a":1}',
    secrets=Secrets({"key": "s3cr3t"}),
    uid="u7",
    user="ada",
    database="db",
    basic_auth_enabled=True,
    basic_auth_user="bob",
    updated_ms=1_700_000_000_000,
    api_version="v0alpha1",
)
CONTEXT = PluginContext(
    2,
    PLUGIN,
    user=User("ada", "Ada Lovelace", "ada@example.com", "Admin"),
    data_source=SOURCE,
    app=AppSettings('{"b":2}', Secrets({"token": "hush"}), 1_700_000_000_001, "v1"),
    api_version="v2",
    namespace="stacks-1",
)
SECONDS = 20.0
LINKS = {
    "plain": {},
    "tls": {"auto_mtls": True},
    "multiplexed": {"multiplex": True},
    "tls, multiplexed": {"auto_mtls": True, "multiplex": True},
}

T = TypeVar("T")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / PLUGIN
    folder.mkdir()
    description = {
        "id": PLUGIN,
        "type": "datasource",
        "backend": True,
        "executable": "gpx",
        "info": {"version": "1.2.3"},
    }
    (folder / "plugin.json").write_text(json.dumps(description))
    (folder / "gpx").symlink_to(build_sdk() / "sdkplugin")
    return tmp_path


@asynccontextmanager
async def hosting(installed: Path, **launch: Any) -> AsyncIterator[Host]:
    options = HostOptions(back_off=BackOff(first=0.05), launch=LaunchOptions(**launch), version="12.3.4")
    async with Host(discover([installed]).plugins, options) as host:
        yield host


@pytest.fixture
async def host(installed: Path) -> AsyncIterator[Host]:
    async with hosting(installed) as host:
        yield host


def about(*, url: str) -> PluginContext:
    """The context of a data source of its own, which its url makes special."""
    return replace(CONTEXT, data_source=replace(SOURCE, id=8, uid="u8", url=url))


def request(context: PluginContext = CONTEXT, **models: dict[str, object]) -> QueryRequest:
    """A request with one query for each keyword: its name is the ref id, its value the model."""
    queries = tuple(Query(ref_id, json.dumps(model)) for ref_id, model in models.items())
    return QueryRequest(TimeRange(1_000, 61_000), context, queries, {"FromAlert": "true"})


async def only(host: Host, *, timeout: float = SECONDS, **model: object) -> Result:
    (result,) = await host.query(PLUGIN, request(A=model), timeout=timeout)
    return result


async def cells(host: Host, **model: object) -> list[Any]:
    """The first row of the only frame."""
    (frame,) = frames_of(await only(host, **model))
    return [field.values.tolist()[0] for field in frame.fields]


async def all_of(pieces: AsyncGenerator[T, None]) -> list[T]:
    async with aclosing(pieces):
        return [piece async for piece in pieces]


async def resource(host: Host, path: str, **options: Any) -> list[ResourcePart]:
    asked = ResourceRequest(CONTEXT, path, url=path, **options)
    return await all_of(host.call_resource(PLUGIN, asked, timeout=SECONDS))


def numbers(packets: list[bytes]) -> list[int]:
    return [json.loads(packet)["n"] for packet in packets]


@contextmanager
def fails(status: str, text: str, source: str = "") -> Iterator[None]:
    with pytest.raises(CallFailed) as failure:
        yield
    assert (failure.value.status, failure.value.details, failure.value.error_source) == (status, text, source)


def sine(frame: Frame, first: int, rows: int) -> bool:
    """Is it this part of the plugin's series?"""
    steps = np.arange(first, first + rows)
    times, values = (field.values for field in frame.fields)
    moments = np.datetime64("2026-11-22T01:02:03.456789012") + steps.astype("m8[s]")
    return np.array_equal(times, moments) and np.allclose(values, np.sin(steps / 10) * 100, rtol=1e-14)


class TestEveryWayToReachIt:
    @pytest.mark.parametrize("link", LINKS)
    async def test_all_services_answer(self, link: str, installed: Path) -> None:
        async with hosting(installed, **LINKS[link]) as host:
            (frame,) = frames_of(await only(host, do="series", rows=100))
            assert sine(frame, 0, 100)
            chunks = await all_of(
                host.query_chunked(PLUGIN, request(A={"do": "series", "rows": 2}), timeout=SECONDS)
            )
            assert len(chunks) == 3
            health = await host.check_health(PLUGIN, HealthRequest(CONTEXT), timeout=SECONDS)
            assert health.status == HealthStatus.OK
            assert b"go_goroutines" in await host.collect_metrics(PLUGIN, CONTEXT, timeout=SECONDS)
            assert len(await resource(host, "parts")) >= 3
            packets = host.run_stream(PLUGIN, StreamRequest(CONTEXT, "numbers/0/5"))
            assert numbers(await all_of(packets)) == [0, 1, 2, 3, 4]
            allowed = await host.validate_admission(
                PLUGIN, AdmissionRequest(CONTEXT, Operation.CREATE, Kind(), b"{}"), timeout=SECONDS
            )
            assert allowed.allowed

    @pytest.mark.parametrize("link", ["plain", "tls, multiplexed"])
    async def test_100_megabytes_arrive_whole(self, link: str, installed: Path) -> None:
        rows = 6_250_000
        async with hosting(installed, **LINKS[link]) as host:
            result = await only(host, do="series", rows=rows, timeout=60)
        assert result.arrow is not None
        assert sum(map(len, result.arrow)) > 100_000_000
        (frame,) = frames_of(result)
        assert len(frame) == rows
        assert frame.fields[0].values[-1] - frame.fields[0].values[0] == np.timedelta64(rows - 1, "s")


# What the plugin's frame holds of each type: an ordinary value and two extreme ones.
KINDS: dict[FieldType, list[Any]] = {
    FieldType.INT8: [1, -(2**7), 2**7 - 1],
    FieldType.INT16: [1, -(2**15), 2**15 - 1],
    FieldType.INT32: [1, -(2**31), 2**31 - 1],
    FieldType.INT64: [1, -(2**63), 2**63 - 1],
    FieldType.UINT8: [1, 0, 2**8 - 1],
    FieldType.UINT16: [1, 0, 2**16 - 1],
    FieldType.UINT32: [1, 0, 2**32 - 1],
    FieldType.UINT64: [1, 0, 2**64 - 1],
    FieldType.FLOAT32: [1.5, float(np.float32(1e-45)), float(np.finfo(np.float32).max)],
    FieldType.FLOAT64: [1.5, -np.inf, np.finfo(np.float64).max],
    FieldType.STRING: ["a", "", "grüß <dich> 🙂"],
    FieldType.BOOL: [True, False, True],
    FieldType.TIME: [1795309323456789012, 0, -1],
    FieldType.JSON: ['{"a":[1,null]}', "null", '"b"'],
    FieldType.ENUM: [1, 0, 2**16 - 1],
}


class TestQueries:
    async def test_fields_of_every_type(self, host: Host) -> None:
        frame, _ = frames_of(await only(host, do="kinds"))
        found = {field.name: field for field in frame.fields}
        assert len(found) == 2 * len(FieldType) == 2 * len(KINDS)
        for kind, values in KINDS.items():
            name = {FieldType.TIME: "time", FieldType.JSON: "json"}.get(kind, kind.value)
            whole, gappy = found[name], found[f"{name}?"]
            assert (whole.type, whole.nullable) == (kind, False)
            assert (gappy.type, gappy.nullable) == (kind, True)
            kept = whole.values.astype(np.int64) if kind is FieldType.TIME else whole.values
            assert kept.tolist() == values
            assert plain(gappy) == [None, *plain(whole)[1:]]

    async def test_everything_about_a_frame_is_read_as_it_was_meant(self, host: Host) -> None:
        frame, told = frames_of(await only(host, do="kinds"))
        assert b"".join(write_frame_json(frame)).decode() == told.fields[0].values[0]

    async def test_the_plugin_receives_the_whole_context(self, host: Host) -> None:
        context, headers = map(json.loads, await cells(host, do="context"))
        agent, config = context.pop("userAgent"), context.pop("grafanaConfig")
        assert agent.startswith("Grafana/12.3.4 (linux; ")
        assert config["GF_SQL_ROW_LIMIT"] == "1000000"
        assert headers == {"FromAlert": "true"}
        assert context == {
            "orgId": "2",
            "pluginId": PLUGIN,
            "pluginVersion": "1.2.3",
            "apiVersion": "v2",
            "namespace": "stacks-1",
            "user": {
                "login": "ada",
                "name": "Ada Lovelace",
                "email": "ada@example.com",
                "role": "Admin",
            },
            "appInstanceSettings": {
                "jsonData": "eyJiIjoyfQ==",
                "decryptedSecureJsonData": {"token": "hush"},
                "lastUpdatedMS": "1700000000001",
                "apiVersion": "v1",
            },
            "dataSourceInstanceSettings": {
                "id": "7",
                "uid": "u7",
                "name": "Interop",
                "url": "http://localhost:1",
                "user": "ada",
                "database": "db",
                "basicAuthEnabled": True,
                "basicAuthUser": "bob",
                "jsonData": "eyJhIjoxfQ==",
                "decryptedSecureJsonData": {"key": "s3cr3t"},
                "lastUpdatedMS": "1700000000000",
                "apiVersion": "v0alpha1",
            },
        }

    async def test_an_error_stays_with_its_ref_id_and_keeps_status_and_source(self, host: Host) -> None:
        models = {
            "A": {"do": "series", "rows": 1},
            "B": {"do": "error", "text": "no such metric", "status": 404, "source": "downstream"},
        }
        good, bad = await host.query(PLUGIN, request(**models), timeout=SECONDS)
        assert (good.error, good.status) == ("", 200)
        assert (bad.error, bad.status, bad.error_source) == ("no such metric", 404, "downstream")

    async def test_a_call_that_fails_says_whose_fault_it_is(self, host: Host) -> None:
        with fails("UNKNOWN", "the database is down", "downstream"):
            await only(host, do="fail", text="the database is down")

    async def test_a_data_source_that_cannot_be_made_fails_the_call(self, host: Host) -> None:
        broken = request(about(url="broken"), A={"do": "series", "rows": 1})
        with fails("UNKNOWN", "this data source cannot be made"):
            await host.query(PLUGIN, broken, timeout=SECONDS)

    async def test_a_panic_fails_its_call_only(self, host: Host) -> None:
        with fails("UNKNOWN", "panic triggered: oh dear"):
            await only(host, do="panic", text="oh dear")
        assert (await only(host, do="series", rows=1)).error == ""

    async def test_a_call_that_takes_too_long_is_cancelled_in_the_plugin(self, host: Host) -> None:
        await only(host, do="cancelled")
        with pytest.raises(PluginTimeout):
            await only(host, do="sleep", timeout=0.2)
        await counted(host, 1)

    async def test_a_caller_that_leaves_cancels_the_call_in_the_plugin(self, host: Host) -> None:
        await only(host, do="cancelled")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await only(host, do="sleep")
        await counted(host, 1)


async def counted(host: Host, expected: int) -> None:
    """Wait until the plugin has seen so many calls cancelled."""

    async with asyncio.timeout(5):
        while await cells(host, do="cancelled") != [expected]:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)


class TestAnswersInPieces:
    def ask(self, host: Host, **models: dict[str, object]) -> AsyncGenerator[Chunk, None]:
        return host.query_chunked(PLUGIN, request(**models), timeout=SECONDS)

    async def test_rows_follow_rows(self, host: Host) -> None:
        chunks = await all_of(self.ask(host, A={"do": "series", "rows": 10}))
        assert {(chunk.ref_id, chunk.frame_id, chunk.status) for chunk in chunks} == {("A", "f0", 200)}
        for piece, chunk in enumerate(chunks):
            assert chunk.arrow is not None
            assert sine(read_arrow(chunk.arrow), 10 * piece, 10)
        assert len(chunks) == 3

    async def test_an_error_is_a_piece(self, host: Host) -> None:
        good = {"do": "series", "rows": 1}
        bad = {"do": "error", "text": "no such metric", "status": 404}
        *_, last = await all_of(self.ask(host, A=good, B=bad))
        assert (last.ref_id, last.arrow, last.error, last.status) == ("B", None, "no such metric", 404)

    async def test_a_call_can_fail_behind_its_first_pieces(self, host: Host) -> None:
        pieces = self.ask(host, A={"do": "series", "rows": 1}, B={"do": "fail", "text": "broke off"})
        assert [(await anext(pieces)).ref_id for _ in range(3)] == ["A"] * 3
        with fails("UNKNOWN", "broke off", "downstream"):
            await anext(pieces)

    async def test_whoever_has_enough_cancels_it(self, host: Host) -> None:
        async with aclosing(self.ask(host, A={"do": "sleep"})) as pieces:
            assert (await anext(pieces)).ref_id == "A"
        await counted(host, 1)


class TestHealthAndMetrics:
    @pytest.mark.parametrize(
        ("context", "report"),
        [
            (CONTEXT, HealthReport(HealthStatus.OK, "Interop is well", b'{"secret":"s3cr3t"}')),
            (about(url="unwell"), HealthReport(HealthStatus.ERROR, "it is unwell")),
            (about(url="broken"), HealthReport(HealthStatus.ERROR, "this data source cannot be made")),
        ],
    )
    async def test_a_data_source_is_well_or_not(
        self, context: PluginContext, report: HealthReport, host: Host
    ) -> None:
        assert await host.check_health(PLUGIN, HealthRequest(context), timeout=SECONDS) == report

    async def test_a_check_can_fail(self, host: Host) -> None:
        with fails("UNKNOWN", "the check failed"):
            await host.check_health(PLUGIN, HealthRequest(about(url="failing")), timeout=SECONDS)

    async def test_metrics_count_what_was_asked(self, host: Host) -> None:
        await only(host, do="series", rows=1)
        metrics = await host.collect_metrics(PLUGIN, CONTEXT, timeout=SECONDS)
        queried = 'grpc_method="QueryData",grpc_service="pluginv2.Data"'
        assert any(
            line.startswith("grpc_server_handled_total{") and queried in line and line.endswith(" 1")
            for line in metrics.decode().splitlines()
        )


class TestResources:
    async def test_a_request_and_its_answer_arrive_whole(self, host: Host) -> None:
        (part,) = await resource(
            host,
            "echo/a b",
            method="POST",
            headers={"X-Asked": ("1", "2")},
            body=b"grown " * 100_000,
        )
        assert part.code == 418
        assert part.headers["X-Many"] == ("a", "b")
        assert json.loads(part.body) == {
            "method": "POST",
            "path": "/echo/a b",
            "query": "",
            "asked": ["1", "2"],
            "body": "grown " * 100_000,
        }

    async def test_an_answer_comes_in_parts(self, host: Host) -> None:
        first, *others = await resource(host, "parts")
        assert first.code == 200
        assert first.headers["Content-Type"] == ("text/plain; charset=utf-8",)
        assert all(part.code in {0, 200} for part in others)
        assert b"".join(part.body for part in (first, *others)) == b"part 0;part 1;part 2;"

    async def test_what_is_not_there_has_its_status(self, host: Host) -> None:
        parts = await resource(host, "nowhere")
        assert parts[0].code == 404

    async def test_a_resource_can_fail(self, host: Host) -> None:
        with fails("UNKNOWN", "panic triggered: no such resource"):
            await resource(host, "panic")

    async def test_a_caller_that_leaves_cancels_it(self, host: Host) -> None:
        asked = ResourceRequest(CONTEXT, "wait", url="wait")
        async with aclosing(host.call_resource(PLUGIN, asked, timeout=SECONDS)) as parts:
            assert (await anext(parts)).body == b"waiting"
        await counted(host, 1)


class TestStreams:
    @pytest.mark.parametrize(
        ("path", "answer"),
        [
            ("numbers/0/1", StreamAnswer(StreamStatus.OK, b'{"since":1}')),
            ("closed", StreamAnswer(StreamStatus.PERMISSION_DENIED)),
            ("nowhere", StreamAnswer(StreamStatus.NOT_FOUND)),
        ],
    )
    async def test_subscribing(self, path: str, answer: StreamAnswer, host: Host) -> None:
        asked = StreamRequest(CONTEXT, path, b'{"since":1}')
        assert await host.subscribe_stream(PLUGIN, asked, timeout=SECONDS) == answer

    @pytest.mark.parametrize(
        ("path", "answer"),
        [
            ("open", StreamAnswer(StreamStatus.OK, b'{"published":{"n":1}}')),
            ("closed", StreamAnswer(StreamStatus.PERMISSION_DENIED)),
        ],
    )
    async def test_publishing(self, path: str, answer: StreamAnswer, host: Host) -> None:
        asked = StreamRequest(CONTEXT, path, b'{"n":1}')
        assert await host.publish_stream(PLUGIN, asked, timeout=SECONDS) == answer

    async def test_each_call_can_fail(self, host: Host) -> None:
        with fails("UNKNOWN", "no subscribing"):
            await host.subscribe_stream(PLUGIN, StreamRequest(CONTEXT, "failing"), timeout=SECONDS)
        with fails("UNKNOWN", "no publishing"):
            await host.publish_stream(PLUGIN, StreamRequest(CONTEXT, "failing"), timeout=SECONDS)
        with fails("UNKNOWN", "the stream is broken"):
            await all_of(host.run_stream(PLUGIN, StreamRequest(CONTEXT, "broken")))

    async def test_10_000_packets_with_a_restart_of_the_plugin_in_the_middle(self, host: Host) -> None:
        first = host.run_stream(PLUGIN, StreamRequest(CONTEXT, "numbers/0/5000/on"))
        packets = [await anext(first) for _ in range(5000)]
        os.kill(host.status(PLUGIN).pid or 0, signal.SIGKILL)
        with pytest.raises(PluginUnavailable, match="signal 9"):
            await anext(first)
        packets += await all_of(host.run_stream(PLUGIN, StreamRequest(CONTEXT, "numbers/5000/10000")))
        assert numbers(packets) == list(range(10_000))
        assert host.status(PLUGIN).restarts == 1

    async def test_whoever_has_enough_cancels_it(self, host: Host) -> None:
        async with aclosing(host.run_stream(PLUGIN, StreamRequest(CONTEXT, "numbers/0/1/on"))) as packets:
            assert await anext(packets) == b'{"n":0}'
        await counted(host, 1)


REFUSED = Reason("Failure", "it is bad", "Invalid", 422)


class TestObjects:
    def ask(self, object_json: bytes) -> AdmissionRequest:
        kind = Kind("example.com", "v1", "Thing")
        return AdmissionRequest(CONTEXT, Operation.UPDATE, kind, object_json, b'{"n":0}')

    @pytest.mark.parametrize(
        ("object_json", "verdict"),
        [
            (b'{"n":1}', Verdict(True, None, ("UPDATE of Thing",))),
            (b'"bad"', Verdict(False, REFUSED, ("UPDATE of Thing",))),
        ],
    )
    async def test_are_validated(self, object_json: bytes, verdict: Verdict, host: Host) -> None:
        assert await host.validate_admission(PLUGIN, self.ask(object_json), timeout=SECONDS) == verdict

    async def test_are_mutated(self, host: Host) -> None:
        verdict = await host.mutate_admission(PLUGIN, self.ask(b'{"n":1}'), timeout=SECONDS)
        assert verdict == Verdict(True, None, (), b'{"old":{"n":0},"new":{"n":1}}')

    async def test_are_converted(self, host: Host) -> None:
        asked = ConversionRequest(CONTEXT, "c1", (RawObject(b"1"), RawObject(b"2")), "example.com", "v2")
        converted = (RawObject(b'{"v2":1}'), RawObject(b'{"v2":2}'))
        assert await host.convert_objects(PLUGIN, asked, timeout=SECONDS) == Conversion("c1", converted)

    async def test_each_call_can_fail(self, host: Host) -> None:
        with fails("UNKNOWN", "nothing to validate"):
            await host.validate_admission(PLUGIN, self.ask(b""), timeout=SECONDS)
        with fails("UNKNOWN", "nothing to mutate"):
            await host.mutate_admission(PLUGIN, self.ask(b""), timeout=SECONDS)
        with fails("UNKNOWN", "nothing to convert"):
            await host.convert_objects(PLUGIN, ConversionRequest(CONTEXT, "c1", ()), timeout=SECONDS)
