"""The same class under both versions of the protocol, over the wire, as Grafana 5 to 13 would ask it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.backend.context import DataSourceSettings, PluginContext, User
from graftage.backend.frames import frames_of
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import Chunk, FrameFormat, Query, QueryRequest, Result, TimeRange
from graftage.backend.secrets import Secrets
from graftage.data.arrow.reader import read_arrow
from graftage.data.frame import Frame
from graftage.protocol import rpc
from graftage.protocol.v1.request import encode_request
from graftage.protocol.v1.response import decode_response
from graftage.protocol.v2 import data, diagnostics
from support.plugin_process import CALL_SECONDS, PluginProcess, shut_down, started
from support.wait import eventually_async

PLUGIN = """
import asyncio
import logging
from datetime import UTC, datetime

from graftage import DataSource, DownstreamError, Health, Response, current, query_type, serve, timeseries

log = logging.getLogger("weather")
TIMES = [datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in range(4)]

class Weather(DataSource):
    def __init__(self, settings):
        super().__init__(settings)
        if settings.json.get("broken"):
            raise ValueError("the station is broken")

    async def check_health(self):
        self.metrics.counter("weather_checks_total").add()
        return Health.ok("EDDB answers", details={"version": 3})

    @query_type("series")
    def series(self, query):
        return {"time": TIMES, "rain": [0.5, 1.5, None, 2.5]}

    @query_type("typed")
    async def typed(self, query):
        return timeseries({"time": TIMES, "rain": [1.0, 2.0, 3.0, 4.0]}, labels={"city": "Köln"})

    @query_type("table")
    async def table(self, query):
        return [{"city": "Köln", "heat": 21}, {"city": "Bonn", "heat": 22}]

    @query_type("generator")
    def generator(self, query):
        yield {"time": TIMES[:2], "rain": [1.0, 2.0]}
        yield {"time": TIMES[2:], "rain": [3.0, 4.0]}

    @query_type("none")
    async def none(self, query):
        pass

    @query_type("down")
    async def down(self, query):
        log.info("about to fail with %s", query.settings.secrets["token"], extra={"also": "hush-hush"})
        raise DownstreamError("the station is closed", status=503)

    @query_type("wait")
    async def wait(self, query):
        try:
            print("waiting")
            await asyncio.Event().wait()
        finally:
            print("given up")

    @query_type("endless")
    async def endless(self, query):
        try:
            while True:
                yield {"n": [1]}
                await asyncio.sleep(0.001)
        finally:
            print("generator closed")

    async def query(self, query):
        user = query.user.login if query.user else None
        return {"said": [f"{user} {query.is_alert} {query.context.grafana_version} {query.settings.uid} "
                         f"{query.settings.json} {current().plugin_config.get('station')}"]}

serve(Weather)
"""

SOURCE = DataSourceSettings(
    7, 1, "weather", "acme", json="{}", uid="u", updated_ms=1, secrets=Secrets({"token": "hush-hush"})
)
CONTEXT = PluginContext(
    1,
    "acme",
    "1.2.3",
    User("ada"),
    SOURCE,
    user_agent="Grafana/13.0.1 (linux; amd64)",
    grafana_config={"GF_APP_URL": "x"},
)
GRAFANA_7 = PluginContext(1, "acme", data_source=DataSourceSettings(7, 1, "weather", "acme", json=""))
KINDS = ("series", "typed", "table", "generator", "none")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def request(*kinds: str, context: PluginContext = CONTEXT, **more: Any) -> QueryRequest:
    queries = tuple(Query(kind, json.dumps({"queryType": kind}), query_type=kind) for kind in kinds)
    return QueryRequest(TimeRange(1_000, 61_000), context, queries, **more)


@asynccontextmanager
async def plugin(
    folder: Path, version: int = 2, script: str = PLUGIN
) -> AsyncIterator[tuple[PluginProcess, grpc.aio.Channel]]:
    async with (
        started(script, folder, versions=(version,), environment={"GF_PLUGIN_STATION": "EDDB"}) as process,
        process.channel() as channel,
    ):
        assert (await process.handshake())[1] == str(version)
        yield process, channel


async def ask(
    channel: grpc.aio.Channel, asked: QueryRequest, *, version: int = 2, **options: Any
) -> dict[str, Result]:
    if version == 1:
        answer = await channel.unary_unary(rpc.QUERY_V1)(encode_request(asked), timeout=CALL_SECONDS)
        results = decode_response(answer)
    else:
        message = data.encode_query_request(asked)
        answer = await channel.unary_unary(rpc.QUERY_DATA)(message, timeout=CALL_SECONDS, **options)
        results = data.decode_query_response(answer)
    return {result.ref_id: result for result in results}


async def ask_in_pieces(channel: grpc.aio.Channel, asked: QueryRequest) -> dict[str, list[Chunk]]:
    chunks: dict[str, list[Chunk]] = {}
    call = channel.unary_stream(rpc.QUERY_CHUNKED_DATA)(
        data.encode_query_request(asked), timeout=CALL_SECONDS
    )
    async for message in call:
        chunk = data.decode_chunk(message)
        chunks.setdefault(chunk.ref_id, []).append(chunk)
    return chunks


async def health(channel: grpc.aio.Channel, context: PluginContext = CONTEXT) -> HealthReport:
    message = diagnostics.encode_health_request(HealthRequest(context))
    answer = await channel.unary_unary(rpc.CHECK_HEALTH)(message, timeout=CALL_SECONDS)
    return diagnostics.decode_health_report(answer)


def content(frames: tuple[Frame, ...]) -> list[dict[str, list[Any]]]:
    """Columns by name, without missing points; a series of version 1 has its name at the frame."""
    return [
        {
            (frame.name or field.name if field.type.is_number else field.name): field.values[
                frame.fields[-1].present()
            ].tolist()
            for field in frame.fields
        }
        for frame in frames
    ]


async def test_the_same_class_gives_the_same_frames_under_both_versions(tmp_path: Path) -> None:
    answers: dict[int, Mapping[str, Result]] = {}
    for version in (1, 2):
        folder = tmp_path / str(version)
        folder.mkdir()
        async with plugin(folder, version) as (_, channel):
            answers[version] = await ask(channel, request(*KINDS, "down"), version=version)

    for kind in ("series", "table", "generator", "none"):
        old, new = (content(frames_of(answers[version][kind])) for version in (1, 2))
        assert old == new, kind
    (old_typed,), (new_typed,) = (frames_of(answers[version]["typed"]) for version in (1, 2))
    assert old_typed.fields[1].values.tolist() == new_typed.fields[1].values.tolist()
    assert old_typed.fields[1].labels == new_typed.fields[1].labels == {"city": "Köln"}
    assert [answers[version]["down"].error for version in (1, 2)] == ["the station is closed"] * 2


async def test_frames_of_version_2_are_arrow_files_typed_and_with_their_ref_id(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        results = await ask(channel, request(*KINDS, "down", "unknown"))

    (series,) = frames_of(results["series"])
    assert (series.ref_id, (series.meta or {})["type"]) == ("series", "timeseries-multi")
    assert [field.nullable for field in series.fields] == [False, True]
    assert series.fields[1].present().tolist() == [True, True, False, True]
    assert results["none"].arrow == ()
    assert {ref_id: result.status for ref_id, result in results.items()} == {
        **dict.fromkeys((*KINDS, "unknown"), 200),
        "down": 503,
    }
    assert (results["down"].error, results["down"].error_source) == ("the station is closed", "downstream")
    assert frames_of(results["unknown"])[0].fields[0].values.tolist() == ["ada False 13.0.1 u {} EDDB"]


async def test_a_request_of_grafana_7_is_answered(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        results = await ask(
            channel, request("unknown", "series", context=GRAFANA_7, headers={"FromAlert": "true"})
        )

    assert frames_of(results["unknown"])[0].fields[0].values.tolist() == ["None True None  {} EDDB"]
    assert len(frames_of(results["series"])[0]) == 4


async def test_a_host_that_asks_for_json_gets_json(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        message = data.encode_query_request(request("table", frame_format=FrameFormat.JSON))
        answer = await channel.unary_unary(rpc.QUERY_DATA)(message, timeout=CALL_SECONDS)

    assert b'"values":[["K\xc3\xb6ln","Bonn"],[21,22]]' in answer


async def test_answers_come_in_pieces(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        chunks = await ask_in_pieces(channel, request(*KINDS, "down"))

    assert [chunk.frame_id for chunk in chunks["generator"]] == ["f0", "f0"]
    rows = [read_arrow(chunk.arrow or b"").fields[1].values.tolist() for chunk in chunks["generator"]]
    assert rows == [[1.0, 2.0], [3.0, 4.0]]
    assert [len(chunks[kind]) for kind in ("series", "typed", "table")] == [1, 1, 1]
    assert "none" not in chunks
    (down,) = chunks["down"]
    assert (down.error, down.status, down.error_source) == ("the station is closed", 503, "downstream")


async def test_health_and_metrics_are_told(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        well = await health(channel)
        broken = DataSourceSettings(8, 1, "b", "acme", json='{"broken": true}')
        ill = await health(channel, PluginContext(1, "acme", data_source=broken))
        answer = await channel.unary_unary(rpc.COLLECT_METRICS)(b"", timeout=CALL_SECONDS)

    assert (well.status, well.message, json.loads(well.details_json)) == (1, "EDDB answers", {"version": 3})
    assert (ill.status, ill.message) == (2, "the station is broken")
    lines = diagnostics.decode_metrics(answer).decode().splitlines()
    assert "weather_checks_total 1" in lines
    assert "plugins_active_instances 1" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_call_that_is_given_up_reaches_the_handler(tmp_path: Path, version: int) -> None:
    async with plugin(tmp_path, version) as (process, channel):
        call = asyncio.create_task(ask(channel, request("wait"), version=version))
        await eventually_async(lambda: "waiting" in process.messages(), what="the query to begin")
        call.cancel()
        await eventually_async(lambda: "given up" in process.messages(), what="the handler's end")


async def test_a_stream_that_is_given_up_closes_the_generator(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (process, channel):
        call = channel.unary_stream(rpc.QUERY_CHUNKED_DATA)(data.encode_query_request(request("endless")))
        async for _ in call:
            break
        call.cancel()
        await eventually_async(lambda: "generator closed" in process.messages(), what="the generator's end")


async def test_an_object_is_replaced_when_its_settings_change(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        for updated_ms in (1, 1, 2):
            source = DataSourceSettings(7, 1, "weather", "acme", uid="u", updated_ms=updated_ms)
            await ask(channel, request("none", context=PluginContext(1, "acme", data_source=source)))
        answer = await channel.unary_unary(rpc.COLLECT_METRICS)(b"", timeout=CALL_SECONDS)

    lines = diagnostics.decode_metrics(answer).decode().splitlines()
    assert "plugins_datasource_instances_total 2" in lines
    assert "plugins_active_instances 1" in lines


async def test_records_say_to_which_call_they_belong(tmp_path: Path) -> None:
    metadata = (
        ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),
        ("loggerparamsctxmetadata", "dashboard:::d1"),
        ("loggerparamsctxmetadata", "panel:::2"),
    )
    async with plugin(tmp_path) as (process, channel):
        await ask(channel, request("down"), metadata=metadata)
        await eventually_async(lambda: "request ended" in process.messages(), what="the last record")
        records = [record for record in process.records() if record.get("endpoint") == "queryData"]

    begun, told, failed, ended = records
    for record in records:
        assert (record["pluginId"], record["pluginVersion"], record["traceId"]) == ("acme", "1.2.3", TRACE)
        assert (record["dsName"], record["dsUid"], record["uname"]) == ("weather", "u", "ada")
        assert (record["dashboard"], record["panel"]) == ("d1", "2")
    assert (begun["@level"], begun["@message"]) == ("debug", "request started")
    assert (told["refId"], failed["refId"], failed["@level"]) == ("down", "down", "warn")
    assert (ended["@level"], ended["status"], ended["statusSource"]) == ("debug", "error", "downstream")
    assert ended["duration"].endswith("ms")
    assert "hush" not in repr(process.err)


async def test_bytes_that_are_no_request_are_the_callers_fault(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(rpc.QUERY_DATA)(b"\xff", timeout=CALL_SECONDS)
        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await ask(channel, request("table")))["table"].error == ""


async def test_what_a_class_has_no_handlers_for_is_unimplemented(tmp_path: Path) -> None:
    script = """
from graftage import App, serve

class Quiet(App):
    def check_health(self):
        return "well"

serve(Quiet)
"""
    async with plugin(tmp_path, script=script) as (_, channel):
        assert (await health(channel, PluginContext(1, "acme-app"))).message == "well"
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(channel, request("A"))
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
        await shut_down(channel)


async def test_a_class_by_name_refuses_what_it_has_no_handlers_for(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text("class Quiet:\n    def check_health(self):\n        return 'well'\n")
    async with plugin(tmp_path, script='from graftage import serve\nserve("quiet:Quiet")\n') as (_, channel):
        assert (await health(channel)).message == "well"
        with pytest.raises(grpc.aio.AioRpcError, match=r"no handlers for pluginv2\.Data") as failed:
            await ask(channel, request("A"))
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_nothing_of_the_hosts_environment_is_needed(tmp_path: Path) -> None:
    """Since Grafana 12.4 plugins inherit neither PATH nor HOME nor a language."""
    nothing = dict.fromkeys(os.environ.keys() - {"TMPDIR"}) | {"LC_ALL": "C"}
    async with (
        started(PLUGIN, tmp_path, versions=(2,), environment=nothing) as process,
        process.channel() as channel,
    ):
        results = await ask(channel, request("table"))
        answer = await channel.unary_unary(rpc.COLLECT_METRICS)(b"", timeout=CALL_SECONDS)

    assert frames_of(results["table"])[0].fields[0].values.tolist() == ["Köln", "Bonn"]
    assert b"process_cpu_seconds_total" in diagnostics.decode_metrics(answer)
