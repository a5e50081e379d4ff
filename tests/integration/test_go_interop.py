"""Real Go plugins in our host, and a plugin of ours under real Go hosts: three eras of go-plugin each."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.backend.secrets import Secrets
from graftage.errors import CallFailed, PluginTimeout, PluginUnavailable
from graftage.host.launch import LaunchOptions, RunningPlugin, launch
from graftage.query.tsdb_json import encode_answer
from support.go import ERAS, build
from support.wait import eventually_async

pytestmark = pytest.mark.timeout(300)  # the first run builds the Go programs

RANGE = TimeRange(from_ms=1555324640000, to_ms=1555328240000, from_raw="1555324640000", to_raw="now")
SOURCE = DataSourceSettings(
    id=7,
    org_id=1,
    name="Interop",
    type="interop-datasource",
    url="http://localhost:1",
    json='{"a":1}',
    secrets=Secrets({"apiKey": "s3cr3t"}),
)


def request(**models: dict[str, object]) -> QueryRequest:
    """A request with one query for each keyword: its name is the ref id, its value the model."""
    queries = tuple(Query(ref_id, json=json.dumps(model)) for ref_id, model in models.items())
    return QueryRequest(RANGE, context_of(SOURCE), queries)


@pytest.fixture(params=sorted(ERAS))
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def programs(era: str) -> Path:
    return build(era)


@dataclass
class Kept(logging.Handler):
    """A log handler that keeps its records."""

    records: list[logging.LogRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __hash__(self) -> int:
        return id(self)

    def at(self, level: int) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno == level]


@pytest.fixture
def logged() -> Kept:
    return Kept()


@pytest.fixture
async def plugin(programs: Path, logged: Kept) -> AsyncIterator[RunningPlugin]:
    logger = logging.getLogger("interop")
    logger.setLevel(1)
    logger.addHandler(logged)
    try:
        async with launch(
            programs / "plugin", plugin_id="interop-datasource", options=LaunchOptions(), logger=logger
        ) as running:
            yield running
    finally:
        logger.removeHandler(logged)


async def only(plugin: RunningPlugin, model: dict[str, object], timeout: float = 20.0) -> Result:
    (result,) = await plugin.client.query(request(A=model), timeout=timeout)
    return result


class TestGoPluginInOurHost:
    async def test_speaks_version_1(self, plugin: RunningPlugin) -> None:
        assert plugin.version == 1

    async def test_answers_series(self, plugin: RunningPlugin) -> None:
        result = await only(plugin, {"do": "series", "series": 2, "points": 100})
        assert [(series.name, dict(series.labels)) for series in result.series] == [
            ("go", {"number": "0"}),
            ("go", {"number": "1"}),
        ]
        np.testing.assert_array_equal(result.series[0].times, 1555324640782 + 1000 * np.arange(100))
        # The last bit of a sine is the mathematics library's own.
        expected = [math.sin(i / 10) * 100 for i in range(100)]
        np.testing.assert_allclose(result.series[0].values, expected, rtol=1e-14, atol=1e-12)

    async def test_answers_cells_of_every_kind(self, plugin: RunningPlugin) -> None:
        result = await only(plugin, {"do": "table"})
        body = json.loads(b"".join(encode_answer({"A": result})))
        assert body["results"]["A"]["tables"] == [
            {
                "columns": [{"text": name} for name in ("null", "double", "int", "bool", "text", "bytes")],
                "rows": [
                    [None, 1.5, 9223372036854775807, True, "grüß <dich>", "AP8="],
                    [None, 0, 0, False, "", None],
                ],
            }
        ]

    async def test_receives_the_whole_request(self, plugin: RunningPlugin) -> None:
        result = await only(plugin, {"do": "echo"})
        assert json.loads(result.meta_json) == {
            "timeRange": {
                "fromRaw": "1555324640000",
                "toRaw": "now",
                "fromEpochMs": "1555324640000",
                "toEpochMs": "1555328240000",
            },
            "datasource": {
                "id": "7",
                "orgId": "1",
                "name": "Interop",
                "type": "interop-datasource",
                "url": "http://localhost:1",
                "jsonData": '{"a":1}',
                "decryptedSecureJsonData": {"apiKey": "s3cr3t"},
            },
            "queries": [
                {"refId": "A", "maxDataPoints": "100", "intervalMs": "1000", "modelJson": '{"do": "echo"}'}
            ],
        }

    async def test_an_error_stays_with_its_ref_id(self, plugin: RunningPlugin) -> None:
        good, bad = await plugin.client.query(
            request(
                A={"do": "series", "series": 1, "points": 1}, B={"do": "error", "text": "no such metric"}
            ),
            timeout=20,
        )
        assert (good.error, bad.error) == ("", "no such metric")

    async def test_a_failing_call_keeps_the_plugin_s_words(self, plugin: RunningPlugin) -> None:
        with pytest.raises(CallFailed) as failure:
            await only(plugin, {"do": "fail", "text": "x" * 100_000})
        assert (failure.value.status, failure.value.details) == ("UNKNOWN", "x" * 100_000)

    async def test_a_large_answer_arrives_whole(self, plugin: RunningPlugin) -> None:
        result = await only(plugin, {"do": "large", "bytes": 30_000_000})
        ((cell,),) = result.tables[0].rows()
        assert cell == "x" * 30_000_000

    async def test_a_call_ends_at_its_time_limit_and_is_cancelled_in_the_plugin(
        self, plugin: RunningPlugin, logged: Kept
    ) -> None:
        with pytest.raises(PluginTimeout):
            await only(plugin, {"do": "sleep", "ms": 60_000}, timeout=0.3)
        await eventually_async(lambda: "call cancelled" in logged.at(logging.INFO), what="cancellation in Go")

    async def test_log_records_keep_their_levels(self, plugin: RunningPlugin, era: str, logged: Kept) -> None:
        await only(plugin, {"do": "log", "text": "hello"})
        await eventually_async(lambda: "hello: number=5" in logged.at(logging.ERROR), what="the last record")
        assert "hello: number=2" in logged.at(logging.DEBUG)
        assert "hello: number=3" in logged.at(logging.INFO)
        assert "hello: number=4" in logged.at(logging.WARNING)
        if era == "current":  # before, what a Go program printed to its redirected stderr reached nobody
            plain = "[WARN] plain: hello"
            await eventually_async(lambda: plain in logged.at(logging.WARNING), what="the plain line")

    async def test_a_plugin_that_exits_during_a_call_is_reported_with_its_status(
        self, plugin: RunningPlugin
    ) -> None:
        with pytest.raises(PluginUnavailable):
            await only(plugin, {"do": "exit", "status": 3})
        status = await asyncio.wait_for(plugin.wait_exit(), 10)
        assert status.code == 3


@pytest.mark.parametrize(
    ("era", "options"),
    [
        ("grafana6", {"auto_mtls": True}),
        ("current", {"auto_mtls": True}),
        ("current", {"multiplex": True}),
        ("current", {"auto_mtls": True, "multiplex": True}),
    ],
)
async def test_a_go_plugin_answers_whatever_is_between(era: str, options: dict[str, bool]) -> None:
    async with launch(
        build(era) / "plugin",
        plugin_id="interop-datasource",
        options=LaunchOptions(**options),
        logger=logging.getLogger("plugin"),
    ) as running:
        result = await only(running, {"do": "large", "bytes": 100_000_000})
        ((cell,),) = result.tables[0].rows()
        assert cell == "x" * 100_000_000


async def test_a_go_plugin_is_gone_soon_after_the_block_ends(programs: Path, era: str) -> None:
    async with launch(
        programs / "plugin", plugin_id="go", options=LaunchOptions(), logger=logging.getLogger("plugin")
    ) as running:
        pid = running.pid
        stopping = time.monotonic()
    # The oldest plugins know no Shutdown; they get a signal instead of the whole grace.
    assert time.monotonic() - stopping < 2.0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PYTHON_PLUGIN = f"""#!{sys.executable}
from graftage import DataSource, serve

print("printed before serving")

class Squares(DataSource):
    def query(self, query):
        if "error" in query.model:
            raise ValueError(query.model["error"])
        print("printed while answering")
        start = query.time_range.start
        return {{"time": [start, start + query.interval], "value": [1.0, 4.0]}}

serve(Squares)
"""


# What hosts of each era can ask for.
CAN: dict[str, list[list[str]]] = {
    "old": [],
    "grafana6": [["-automtls"]],
    "current": [["-automtls"], ["-mux"], ["-automtls", "-mux"]],
}


class TestPythonPluginUnderAGoHost:
    @pytest.fixture
    def script(self, tmp_path: Path) -> Path:
        path = tmp_path / "squares.py"
        path.write_text(PYTHON_PLUGIN)
        path.chmod(0o755)
        return path

    def run(
        self, programs: Path, script: Path, *models: dict[str, object], flags: Sequence[str] = ()
    ) -> list[dict[str, object]]:
        """What the Go host printed for a request with one query for each model."""
        lines = "".join(
            json.dumps(
                {
                    "timeRange": {"fromEpochMs": "1000", "toEpochMs": "3000"},
                    "datasource": {"id": "1", "orgId": "1", "jsonData": "{}"},
                    "queries": [{"refId": "A", "intervalMs": "1000", "modelJson": json.dumps(model)}],
                }
            )
            + "\n"
            for model in models
        )
        done = subprocess.run(
            [programs / "host", *flags, script],
            input=lines,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.log = done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_is_started_asked_and_stopped(self, programs: Path, script: Path, era: str) -> None:
        started, answer, stopped = self.run(programs, script, {})
        assert started == {"started": True}
        (result,) = answer["answer"]["results"]  # type: ignore[index,call-overload]
        assert result["refId"] == "A"
        assert [(int(point["timestamp"]), point["value"]) for point in result["series"][0]["points"]] == [
            (1000, 1),
            (2000, 4),
        ]
        assert stopped["exited"] is True
        # The oldest host gives a quarter of a second and then kills; later ones ask first.
        assert float(str(stopped["stopped"])) < 2.0

    @pytest.mark.parametrize("flags", [["-automtls"], ["-mux"], ["-automtls", "-mux"]], ids=" ".join)
    def test_answers_whatever_the_host_puts_between(
        self, programs: Path, script: Path, era: str, flags: list[str]
    ) -> None:
        if flags not in CAN[era]:
            pytest.skip("go-plugin of this era cannot ask for it")
        started, answer, stopped = self.run(programs, script, {}, flags=flags)
        assert started == {"started": True}
        assert [result["refId"] for result in answer["answer"]["results"]] == ["A"]  # type: ignore[index,call-overload]
        assert stopped["exited"] is True

    def test_an_error_is_that_of_its_query(self, programs: Path, script: Path) -> None:
        _, answer, _ = self.run(programs, script, {"error": "no such square"})
        (result,) = answer["answer"]["results"]  # type: ignore[index,call-overload]
        assert result["error"] == "no such square"

    def test_prints_reach_the_host_s_log(self, programs: Path, script: Path) -> None:
        self.run(programs, script, {})
        assert "printed before serving" in self.log
        assert "printed while answering" in self.log
