"""What the server counts, under the names that dashboards for Grafana look for.

A plugin's call counts as an error only when the call as a whole failed; an error that a plugin reports for
one query is an answer like any other. Summaries hold a sum and a count, without quantiles.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Summary, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from graftage.server import metric_families as families

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

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
        families.BUILD.made_for(registry).labels(reported_version, "NA", "main", "none", "oss").set(1)
        families.OWN_BUILD.made_for(registry).labels(own_version, platform.python_version()).set(1)
        installed = families.PLUGIN_BUILD.made_for(registry)
        for plugin in plugins:
            installed.labels(plugin.id, plugin.type, plugin.version).set(1)

        self._requests = families.REQUESTS.made_for(registry)
        self._request_milliseconds = families.REQUEST_MILLISECONDS.made_for(registry)
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Summary]] = {}
        self._api_status = _by_code(families.API_STATUS.made_for(registry))
        self._proxy_status = _by_code(families.PROXY_STATUS.made_for(registry))

        self._plugin_requests = families.PLUGIN_REQUESTS.made_for(registry)
        self._plugin_milliseconds = families.PLUGIN_MILLISECONDS.made_for(registry)
        self._plugin_children: dict[tuple[str, str, str], tuple[Counter, Summary]] = {}

        self.data_source_look_ups = families.DATA_SOURCE_LOOK_UPS.made_for(registry)
        self._proxied_milliseconds = families.PROXIED_MILLISECONDS.made_for(registry)
        self._source_requests = families.SOURCE_REQUESTS.made_for(registry)
        self._source_seconds = families.SOURCE_SECONDS.made_for(registry)
        self._source_bytes = families.SOURCE_BYTES.made_for(registry)
        self._source_in_flight = families.SOURCE_IN_FLIGHT.made_for(registry)

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

    @contextmanager
    def plugin_called(self, plugin_id: str, endpoint: str) -> Iterator[None]:
        """Count and time the call to a plugin that runs inside the block. endpoint: what is asked."""
        started = perf_counter()
        status = "error"
        try:
            yield
            status = "ok"
        finally:
            children = self._children_of_plugin(plugin_id, endpoint, status)
            children[0].inc()
            children[1].observe((perf_counter() - started) * 1000)

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

    def _children_of_plugin(self, plugin_id: str, endpoint: str, status: str) -> tuple[Counter, Summary]:
        key = (plugin_id, endpoint, status)
        children = self._plugin_children.get(key)
        if children is None:
            children = self._plugin_children[key] = (
                self._plugin_requests.labels(plugin_id, endpoint, status),
                self._plugin_milliseconds.labels(plugin_id, endpoint),
            )
        return children


class _Registry(CollectorRegistry):
    """Without the moments at which counters were made, which Grafana does not tell either."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _by_code(counter: Counter) -> dict[str, Counter]:
    """A counter's children by status, which show their zeros from the start."""
    return {code: counter.labels(code) for code in _COUNTED_CODES}
