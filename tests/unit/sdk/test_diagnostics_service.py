"""Health and metrics: what handlers may say, and what a plugin says without one."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.secrets import Secrets
from graftage.sdk.data_source import App, DataSource
from graftage.sdk.diagnostics_service import DiagnosticsService
from graftage.sdk.health import Health
from graftage.sdk.metrics import PLUGIN_METRICS, Metrics
from graftage.sdk.runtime import Runtime

SOURCE = DataSourceSettings(7, 1, "weather", "acme", uid="u", secrets=Secrets({"token": "hush-hush"}))
CONTEXT = PluginContext(1, "acme", data_source=SOURCE)


async def report(target: object, context: PluginContext = CONTEXT) -> HealthReport:
    runtime = Runtime(target, metrics=Metrics(), environment={})
    try:
        return await DiagnosticsService(runtime).report(HealthRequest(context))
    finally:
        await runtime.close(timeout=1)


def plugin(answer: Any, *, plain: bool = False) -> type:
    """A class whose health check returns this, or raises it."""

    def check(self: object) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def check_async(self: object) -> Any:
        return check(self)

    return type("Plugin", (App,), {"check_health": check if plain else check_async})


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("answer", "status", "message", "details"),
    [
        (Health.ok("EDDB answers"), 1, "EDDB answers", None),
        (
            Health.error("no station", details={"verboseMessage": "timed out"}),
            2,
            "no station",
            {"verboseMessage": "timed out"},
        ),
        (Health.unknown("later"), 0, "later", None),
        (Health.ok("fine", details={}), 1, "fine", {}),
        ("fine", 1, "fine", None),
        (None, 1, "", None),
        (ConnectionError("down"), 2, "down", None),
        (ValueError("token hush-hush is wrong"), 2, "token *** is wrong", None),
        (SystemExit("bye"), 2, "bye", None),
        (3, 2, "check_health returned int; expected Health.ok", None),
        (Health.ok("x", details=[1]), 2, "the details of a Health are list; expected a dict", None),  # type: ignore[arg-type]
        (Health.ok("x", details={"a": object()}), 2, "cannot be written as JSON", None),
    ],
)
async def test_a_health_check_says_how_it_is(
    answer: object, status: int, message: str, details: object, plain: bool
) -> None:
    told = await report(plugin(answer, plain=plain))

    assert told.status == status
    assert message in told.message
    assert (json.loads(told.details_json) if told.details_json else None) == details


async def test_a_check_that_cancels_itself_is_not_the_end_of_the_call() -> None:
    assert (await report(plugin(asyncio.CancelledError()))).message == "cancelled inside the plugin"


async def test_without_a_handler_a_plugin_is_well() -> None:
    class Silent(DataSource):
        async def query(self, query: Any) -> None: ...

    assert await report(Silent) == HealthReport(1)


async def test_an_object_that_cannot_be_made_is_not_well_and_says_why() -> None:
    class Broken(App):
        def __init__(self, settings: Any) -> None:
            raise ValueError("the station is missing; give it in the settings")

    told = await report(Broken)

    assert (told.status, told.message) == (2, "the station is missing; give it in the settings")


async def test_a_plain_check_runs_in_a_thread_and_may_ask_for_the_context() -> None:
    class Asking(App):
        def check_health(self, context: Any) -> str:
            assert threading.current_thread() is not threading.main_thread()
            return f"org {context.org_id}, {self.settings.name}"

    assert (await report(Asking)).message == "org 1, weather"


def number(text: str, name: str) -> float:
    """The number behind a name in Prometheus' text format; 0 when there is none."""
    lines = (line.rpartition(" ") for line in text.splitlines())
    return next((float(value) for key, _, value in lines if key == name), 0.0)


async def test_metrics_hold_those_of_the_plugin_of_its_process_and_of_its_author() -> None:
    class Counting(DataSource):
        def check_health(self) -> None:
            self.metrics.counter("acme_checks_total", "Checks.").add()

    runtime = Runtime(Counting, metrics=PLUGIN_METRICS, environment={})
    service = DiagnosticsService(runtime)
    before = service.metrics_text()  # other plugins of this process have counted as well
    await service.report(HealthRequest(CONTEXT))
    text = service.metrics_text()
    await runtime.close(timeout=1)

    for name in (
        "plugins_active_instances",
        "plugins_datasource_instances_total",
        "acme_checks_total",
        'grafana_plugin_request_total{endpoint="checkHealth",status="ok",status_source="plugin"}',
    ):
        assert number(text, name) - number(before, name) == 1
    assert text.count("# TYPE process_cpu_seconds_total") == 1
