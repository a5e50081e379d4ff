"""What the server counts, under the names that dashboards for Grafana look for.

A plugin's call counts as an error only when the call as a whole failed; an error that a plugin reports for
one query is an answer like any other. Summaries hold a sum and a count, without quantiles.

Source: grafana 7.5, pkg/infra/metrics/metrics.go, pkg/plugins/backendplugin/instrumentation,
pkg/middleware/request_metrics.go and the `DataSourceMetricsMiddleware` of pkg/infra/httpclient.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from graftage.backend.query import QueryRequest, Result
from graftage.query.execute import Ask

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_QUERY_DATA: Final = "queryData"
_COUNTED_CODES: Final = ("200", "404", "500", "unknown")
_OUTSIDE_NAMES: Final = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class PluginBuild:
    """What is said about an installed plugin."""

    id: str
    type: str
    version: str


@dataclass(slots=True)
class ProxiedCall:
    """One call through the proxy while it runs: its status once there is one, the bytes so far."""

    code: str = "unknown"
    size: int = 0


class Metrics:
    """Every number that ``/metrics`` shows. Cheap to count: the children of labels are looked up once."""

    def __init__(
        self, *, reported_version: str, own_version: str, plugins: Iterable[PluginBuild] = ()
    ) -> None:
        self._registry = registry = _Registry()
        ProcessCollector(registry=registry)

        _constant(
            registry,
            "grafana_build_info",
            "A metric with a constant '1' value labeled by version, revision, branch, and goversion "
            "from which Grafana was built",
            {
                "version": reported_version,
                "revision": "NA",
                "branch": "main",
                "goversion": "none",
                "edition": "oss",
            },
        )
        _constant(
            registry,
            "graftage_build_info",
            "A metric with a constant '1' value labeled by the versions of Graftage and its Python",
            {"version": own_version, "python": platform.python_version()},
        )
        installed = Gauge(
            "grafana_plugin_build_info",
            "A metric with a constant '1' value labeled by pluginId, pluginType and version "
            "from which Grafana plugin was built",
            ["plugin_id", "plugin_type", "version"],
            registry=registry,
        )
        for plugin in plugins:
            installed.labels(plugin.id, plugin.type, plugin.version).set(1)

        self._requests = Counter(
            "http_request_total",
            "http request counter",
            ["handler", "statuscode", "method"],
            registry=registry,
        )
        self._request_milliseconds = Summary(
            "http_request_duration_milliseconds",
            "http request summary",
            ["handler", "statuscode", "method"],
            registry=registry,
        )
        self._api_status = _by_code(registry, "grafana_api_response_status_total", "api http response status")
        self._proxy_status = _by_code(
            registry, "grafana_proxy_response_status_total", "proxy http response status"
        )
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Summary]] = {}

        self._plugin_requests = Counter(
            "grafana_plugin_request_total",
            "The total amount of plugin requests",
            ["plugin_id", "endpoint", "status"],
            registry=registry,
        )
        self._plugin_milliseconds = Summary(
            "grafana_plugin_request_duration_milliseconds",
            "Plugin request duration",
            ["plugin_id", "endpoint"],
            registry=registry,
        )
        self._plugin_children: dict[tuple[str, str], tuple[Counter, Summary]] = {}

        self.data_source_look_ups = Counter(
            "grafana_db_datasource_query_by_id_total",
            "counter for getting datasource by id",
            registry=registry,
        )
        self._proxied_milliseconds = Summary(
            "grafana_api_dataproxy_request_all_milliseconds",
            "summary for dataproxy request duration",
            registry=registry,
        )
        self._source_requests = Counter(
            "grafana_datasource_request_total",
            "A counter for outgoing requests for a datasource",
            ["datasource", "code", "method"],
            registry=registry,
        )
        self._source_seconds = Summary(
            "grafana_datasource_request_duration_seconds",
            "summary of outgoing datasource requests sent from Grafana",
            ["datasource", "code", "method"],
            registry=registry,
        )
        self._source_bytes = Summary(
            "grafana_datasource_response_size_bytes",
            "summary of datasource response sizes returned to Grafana",
            ["datasource"],
            registry=registry,
        )
        self._source_in_flight = Gauge(
            "grafana_datasource_request_in_flight",
            "A gauge of outgoing datasource requests currently being sent by Grafana",
            ["datasource"],
            registry=registry,
        )

    def exposition(self) -> bytes:
        """Everything as Prometheus text, format 0.0.4."""
        return generate_latest(self._registry)

    def answered(self, handler: str, method: str, status: int, seconds: float, *, proxied: bool) -> None:
        """Count one HTTP request. handler: the route's pattern."""
        key = (handler, method, status)
        children = self._request_children.get(key)
        if children is None:
            labels = (handler, str(status), method.lower())
            children = (self._requests.labels(*labels), self._request_milliseconds.labels(*labels))
            self._request_children[key] = children
        children[0].inc()
        children[1].observe(seconds * 1000)
        by_code = self._proxy_status if proxied else self._api_status
        by_code.get(str(status), by_code["unknown"]).inc()

    def counted(self, ask: Ask) -> Ask:
        """The same calls to plugins, counted and timed."""

        async def counted_ask(plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
            started = perf_counter()
            status = "error"
            try:
                results = await ask(plugin_id, request, timeout=timeout)
                status = "ok"
                return results
            finally:
                self._plugin_called(plugin_id, status, perf_counter() - started)

        return counted_ask

    @contextmanager
    def proxied(self, data_source: str, method: str) -> Iterator[ProxiedCall]:
        """Count the call to a data source's own server that runs inside the block."""
        name = _OUTSIDE_NAMES.sub("_", data_source)
        call = ProxiedCall()
        started = perf_counter()
        with self._source_in_flight.labels(name).track_inprogress():
            try:
                yield call
            finally:
                seconds = perf_counter() - started
                self._proxied_milliseconds.observe(seconds * 1000)
                if call.code != "unknown":
                    labels = (name, call.code, method.lower())
                    self._source_requests.labels(*labels).inc()
                    self._source_seconds.labels(*labels).observe(seconds)
                    self._source_bytes.labels(name).observe(call.size)

    def _plugin_called(self, plugin_id: str, status: str, seconds: float) -> None:
        key = (plugin_id, status)
        children = self._plugin_children.get(key)
        if children is None:
            children = (
                self._plugin_requests.labels(plugin_id, _QUERY_DATA, status),
                self._plugin_milliseconds.labels(plugin_id, _QUERY_DATA),
            )
            self._plugin_children[key] = children
        children[0].inc()
        children[1].observe(seconds * 1000)


class _Registry(CollectorRegistry):
    """Without the moments at which counters were made, which Grafana does not tell either."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _constant(registry: CollectorRegistry, name: str, text: str, labels: dict[str, str]) -> None:
    Gauge(name, text, list(labels), registry=registry).labels(**labels).set(1)


def _by_code(registry: CollectorRegistry, name: str, text: str) -> dict[str, Counter]:
    """A counter by status, which shows its zeros from the start."""
    counter = Counter(name, text, ["code"], registry=registry)
    return {code: counter.labels(code) for code in _COUNTED_CODES}
