"""Numbers about the requests that a plugin sends to remote systems.

Source: grafana/grafana-plugin-sdk-go, backend/httpclient/datasource_metrics_middleware.go. Its histograms of
durations and sizes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graftage.sdk.metrics import PLUGIN_METRICS, Metrics

_LABELS = ("datasource_type", "secure_socks_ds_proxy_enabled")


class RequestMetrics:
    """Of the data sources of one type. through_socks: do their requests go through the secure SOCKS proxy?"""

    def __init__(
        self, data_source_type: str, *, through_socks: bool = False, metrics: Metrics = PLUGIN_METRICS
    ) -> None:
        values = (data_source_type, str(through_socks).lower())
        self._own: dict[str, Any] = dict(zip(_LABELS, values, strict=True))
        self._answered = metrics.counter(
            "plugins_datasource_request_total",
            "A counter for outgoing requests for an external data source",
            labels=(*_LABELS, "code", "method"),
        )
        self._in_flight = metrics.gauge(
            "plugins_datasource_request_in_flight",
            "A gauge of outgoing external data source requests currently being sent",
            labels=_LABELS,
        )

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around each request, until its answer begins."""
        self._in_flight.add(**self._own)
        try:
            yield
        finally:
            self._in_flight.add(-1, **self._own)

    def answered(self, method: str, status: int) -> None:
        self._answered.add(code=status, method=method.lower(), **self._own)
