"""Queries over the wire: what an author's class returns arrives at the host under its refId."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.protocol import rpc
from support.plugin_process import CALL_SECONDS, ask, started
from support.wait import eventually_async

PLUGIN = """
import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from graftage import DataSource, Frame, PluginError, Query, Response, Settings, query_type, serve
from graftage.data.intake import frame_from

log = logging.getLogger("weather")
TIMES = [datetime(2026, 11, 22, 11, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)]

@dataclass
class Forecast:
    days: int
    place: str = "here"

@dataclass
class Station:
    station: str = "EDDB"

class Weather(DataSource):
    def __init__(self, settings: Settings[Station]):
        self.station = settings.json.station
        self.token = settings.secrets.get("token", "")

    @query_type("series")
    async def series(self, query):
        return {"time": TIMES, "rain": [0.5, 1.5]}

    @query_type("frames")
    def frames(self, query) -> list[Frame]:
        rain = frame_from({"time": TIMES, "rain": [0.5, 1.5]})
        return [rain, frame_from({"city": ["Köln", "Bonn"], "rain": [1, 2]})]

    @query_type("forecast")
    async def forecast(self, query: Query[Forecast]) -> Response:
        return Response({"days": [query.model.days]}, meta={"station": self.station}, error="only a guess")

    @query_type("none")
    async def nothing(self, query):
        pass

    @query_type("fail")
    def fail(self, query):
        log.info("about to fail", extra={"city": "Köln"})
        raise LookupError("no such city")

    @query_type("refuse")
    async def refuse(self, query):
        raise PluginError("pick a city first")

    @query_type("unsendable")
    async def unsendable(self, query):
        return Response(error="half \\ud800")

    @query_type("wait")
    async def wait(self, query):
        try:
            print("waiting")
            await asyncio.Event().wait()
        finally:
            print("given up")

    async def query(self, query):
        span = query.time_range
        return {"said": [f"{span.start:%H:%M:%S} {span.end:%H:%M:%S} {span.from_raw} {query.interval} "
                         f"{query.max_data_points} {query.settings.name} {sorted(query.model)}"]}

serve(Weather)
"""


def model(query_type: str, **more: Any) -> str:
    return json.dumps({"queryType": query_type} | more)


async def test_every_kind_of_answer_arrives_under_its_ref_id(tmp_path: Path) -> None:
    models = {
        "series": model("series"),
        "frames": model("frames"),
        "forecast": model("forecast", days=3, unknown=True),
        "bad": model("forecast", days="3"),
        "none": model("none"),
        "fail": model("fail"),
        "refuse": model("refuse"),
        "unsendable": model("unsendable"),
        "other": model("something else"),
        "broken": "{",
    }
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        got = await ask(channel, models, jsonData='{"station": "EDDT"}')

        assert set(got) == set(models)
        (series,) = got["series"].series
        assert series.name == "rain"
        assert [(point.timestamp, point.value) for point in series.points] == [
            (1795345200000, 0.5),
            (1795348800000, 1.5),
        ]
        assert (len(got["frames"].series), len(got["frames"].tables)) == (1, 1)
        assert [cell.stringValue for row in got["frames"].tables[0].rows for cell in row.values[:1]] == [
            "Köln",
            "Bonn",
        ]
        assert got["forecast"].tables[0].rows[0].values[0].int64Value == 3
        assert json.loads(got["forecast"].metaJson) == {"station": "EDDT"}
        assert got["forecast"].error == "only a guess"
        assert "Expected `int`, got `str` - at `$.days`" in got["bad"].error
        assert got["none"].SerializeToString() == b"\x12\x04none"
        assert got["fail"].error == "no such city"
        assert got["refuse"].error == "pick a city first"
        assert "the answer cannot be sent" in got["unsendable"].error or "half" in got["unsendable"].error
        assert got["other"].tables[0].rows[0].values[0].stringValue == (
            "00:00:01 00:01:01 now-1h 0:00:15 7 weather ['queryType']"
        )
        assert "no valid JSON" in got["broken"].error


async def test_records_of_a_query_carry_its_fields_and_no_secret(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        await ask(channel, {"A": model("fail")}, decryptedSecureJsonData={"token": "hush-hush"})

        begun, told, failed, answered = [
            record for record in plugin.records() if record.get("endpoint") == "queryData"
        ]
        assert (begun["@level"], begun["@message"]) == ("debug", "request started")
        assert (told["@module"], told["@level"], told["city"]) == ("weather", "info", "Köln")
        for record in (told, failed):
            assert (record["pluginId"], record["refId"], record["dsName"]) == ("acme", "A", "weather")
        assert (failed["@level"], failed["error"]) == ("error", "no such city")
        assert "LookupError: no such city" in failed["stacktrace"]
        assert (answered["@level"], answered["status"]) == ("debug", "error")
        assert "hush" not in repr(plugin.err)


async def test_settings_that_do_not_fit_fail_every_query_of_that_data_source_alone(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        bad = await ask(channel, {"A": model("none"), "B": model("none")}, id=2, jsonData='{"station": 5}')
        good = await ask(channel, {"A": model("none")})

        for ref_id in ("A", "B"):
            assert "Expected `str`, got `int` - at `$.station`" in bad[ref_id].error
        assert good["A"].error == ""


async def test_a_call_that_the_host_gives_up_is_cancelled_in_the_plugin(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        call = asyncio.ensure_future(ask(channel, {"A": model("wait"), "B": model("none")}))
        await eventually_async(lambda: "waiting" in plugin.messages(), what="the query to begin")

        call.cancel()

        await eventually_async(lambda: "given up" in plugin.messages(), what="the handler being cancelled")
        assert (await ask(channel, {"A": model("none")}))["A"].error == ""


async def test_a_request_that_is_no_message_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(rpc.QUERY_V1)(b"\xff\xff\xff", timeout=CALL_SECONDS)

        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await ask(channel, {"A": model("none")}))["A"].error == ""
