"""The calls to plugins, each counted and timed by its plugin and what was asked.

Source of the names: grafana 7.5, pkg/plugins/backendplugin/instrumentation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from graftage.backend.context import PluginContext
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import QueryRequest, Result
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.server.metrics import Metrics


class Plugins(Protocol):
    """What is counted; `Host` has it."""

    async def query(self, plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]: ...

    async def check_health(
        self, plugin_id: str, request: HealthRequest, *, timeout: float
    ) -> HealthReport: ...

    async def collect_metrics(self, plugin_id: str, context: PluginContext, *, timeout: float) -> bytes: ...

    def call_resource(
        self, plugin_id: str, request: ResourceRequest, *, timeout: float
    ) -> AsyncGenerator[ResourcePart, None]: ...


class CountedPlugins:
    """The same calls."""

    def __init__(self, plugins: Plugins, metrics: Metrics) -> None:
        self._plugins = plugins
        self._metrics = metrics

    async def query(self, plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        with self._metrics.plugin_called(plugin_id, "queryData"):
            return await self._plugins.query(plugin_id, request, timeout=timeout)

    async def check_health(self, plugin_id: str, request: HealthRequest, *, timeout: float) -> HealthReport:
        with self._metrics.plugin_called(plugin_id, "checkHealth"):
            return await self._plugins.check_health(plugin_id, request, timeout=timeout)

    async def collect_metrics(self, plugin_id: str, context: PluginContext, *, timeout: float) -> bytes:
        with self._metrics.plugin_called(plugin_id, "collectMetrics"):
            return await self._plugins.collect_metrics(plugin_id, context, timeout=timeout)

    async def call_resource(
        self, plugin_id: str, request: ResourceRequest, *, timeout: float
    ) -> AsyncGenerator[ResourcePart, None]:
        """One call, however many parts its answer has."""
        with self._metrics.plugin_called(plugin_id, "callResource"):
            async with aclosing(self._plugins.call_resource(plugin_id, request, timeout=timeout)) as parts:
                async for part in parts:
                    yield part
