from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from graftage.backend.context import DataSourceSettings, PluginContext, context_of
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.errors import CallFailed
from graftage.server.counted_plugins import CountedPlugins
from graftage.server.metrics import Metrics

CONTEXT = context_of(DataSourceSettings(1, 1, "n", "p"))
QUERY = QueryRequest(TimeRange(0, 1), CONTEXT, (Query("A"),))


class Plugins:
    """Plugins that answer everything, but break off when they have sent two parts of `broken`."""

    async def query(self, plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        return (Result("A", error="an answer like any other"),)

    async def check_health(self, plugin_id: str, request: HealthRequest, *, timeout: float) -> HealthReport:
        return HealthReport(2, "not well")

    async def collect_metrics(self, plugin_id: str, context: PluginContext, *, timeout: float) -> bytes:
        return b"x 1"

    async def call_resource(
        self, plugin_id: str, request: ResourceRequest, *, timeout: float
    ) -> AsyncGenerator[ResourcePart, None]:
        yield ResourcePart(200, body=b"one")
        yield ResourcePart(body=b"two")
        if request.path == "broken":
            raise CallFailed("UNKNOWN", "x")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(reported_version="7.5.5", own_version="1")


@pytest.fixture
def plugins(metrics: Metrics) -> CountedPlugins:
    return CountedPlugins(Plugins(), metrics)


def counts(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Calls by endpoint and status."""
    counted = {}
    for line in metrics.exposition().decode().splitlines():
        if line.startswith("grafana_plugin_request_total{"):
            endpoint, _, status = (part.split('"')[1] for part in line.split(","))
            counted[endpoint, status] = float(line.split()[-1])
    return counted


async def parts_of(plugins: CountedPlugins, path: str) -> list[bytes]:
    request = ResourceRequest(CONTEXT, path)
    return [part.body async for part in plugins.call_resource("p", request, timeout=1)]


async def test_each_kind_of_call_is_passed_on_and_counted(plugins: CountedPlugins, metrics: Metrics) -> None:
    assert (await plugins.query("p", QUERY, timeout=1))[0].ref_id == "A"
    assert (await plugins.check_health("p", HealthRequest(CONTEXT), timeout=1)).status == 2
    assert await plugins.collect_metrics("p", CONTEXT, timeout=1) == b"x 1"
    assert await parts_of(plugins, "whole") == [b"one", b"two"]
    endpoints = ("queryData", "checkHealth", "collectMetrics", "callResource")
    assert counts(metrics) == {(endpoint, "ok"): 1.0 for endpoint in endpoints}


async def test_a_resource_that_breaks_off_is_an_error(plugins: CountedPlugins, metrics: Metrics) -> None:
    with pytest.raises(CallFailed):
        await parts_of(plugins, "broken")
    assert counts(metrics) == {("callResource", "error"): 1.0}
