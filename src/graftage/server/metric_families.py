"""The families of numbers on `/metrics`: names, help texts and labels that dashboards for Grafana know.

Source: grafana 7.5, pkg/infra/metrics/metrics.go, pkg/plugins/backendplugin/instrumentation,
pkg/middleware/request_metrics.go and the `DataSourceMetricsMiddleware` of pkg/infra/httpclient; the second is
our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

Kind = TypeVar("Kind", Counter, Gauge, Summary)


@dataclass(frozen=True, slots=True)
class Family(Generic[Kind]):
    """One family; with labels it has a child for each combination of their values."""

    kind: Callable[..., Kind]
    name: str
    text: str
    labels: tuple[str, ...] = ()

    def made_for(self, registry: CollectorRegistry) -> Kind:
        """The family's numbers, all at zero."""
        return self.kind(self.name, self.text, self.labels, registry=registry)


BUILD = Family(
    Gauge,
    "grafana_build_info",
    "A metric with a constant '1' value labeled by version, revision, branch, and goversion "
    "from which Grafana was built",
    ("version", "revision", "branch", "goversion", "edition"),
)
OWN_BUILD = Family(
    Gauge,
    "graftage_build_info",
    "A metric with a constant '1' value labeled by the versions of Graftage and its Python",
    ("version", "python"),
)
PLUGIN_BUILD = Family(
    Gauge,
    "grafana_plugin_build_info",
    "A metric with a constant '1' value labeled by pluginId, pluginType and version "
    "from which Grafana plugin was built",
    ("plugin_id", "plugin_type", "version"),
)

# Requests to this server.
_OF_REQUEST = ("handler", "statuscode", "method")
REQUESTS = Family(Counter, "http_request_total", "http request counter", _OF_REQUEST)
REQUEST_MILLISECONDS = Family(
    Summary, "http_request_duration_milliseconds", "http request summary", _OF_REQUEST
)
API_STATUS = Family(Counter, "grafana_api_response_status_total", "api http response status", ("code",))
PROXY_STATUS = Family(Counter, "grafana_proxy_response_status_total", "proxy http response status", ("code",))

# Calls to plugins.
PLUGIN_REQUESTS = Family(
    Counter,
    "grafana_plugin_request_total",
    "The total amount of plugin requests",
    ("plugin_id", "endpoint", "status"),
)
PLUGIN_MILLISECONDS = Family(
    Summary,
    "grafana_plugin_request_duration_milliseconds",
    "Plugin request duration",
    ("plugin_id", "endpoint"),
)

# Data sources, and calls through the proxy to the servers behind them.
_OF_CALL = ("datasource", "code", "method")
DATA_SOURCE_LOOK_UPS = Family(
    Counter, "grafana_db_datasource_query_by_id_total", "counter for getting datasource by id"
)
PROXIED_MILLISECONDS = Family(
    Summary,
    "grafana_api_dataproxy_request_all_milliseconds",
    "summary for dataproxy request duration",
)
SOURCE_REQUESTS = Family(
    Counter,
    "grafana_datasource_request_total",
    "A counter for outgoing requests for a datasource",
    _OF_CALL,
)
SOURCE_SECONDS = Family(
    Summary,
    "grafana_datasource_request_duration_seconds",
    "summary of outgoing datasource requests sent from Grafana",
    _OF_CALL,
)
SOURCE_BYTES = Family(
    Summary,
    "grafana_datasource_response_size_bytes",
    "summary of datasource response sizes returned to Grafana",
    ("datasource",),
)
SOURCE_IN_FLIGHT = Family(
    Gauge,
    "grafana_datasource_request_in_flight",
    "A gauge of outgoing datasource requests currently being sent by Grafana",
    ("datasource",),
)
