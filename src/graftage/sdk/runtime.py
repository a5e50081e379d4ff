"""An author's class at work: its objects, its threads and its counters, which all services share."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from graftage.backend.context import PluginContext
from graftage.sdk.call import Call, comes_from_outside
from graftage.sdk.context import NO_HEADERS, answering, request_context
from graftage.sdk.failure import DOWNSTREAM, CallBroken
from graftage.sdk.headers import Headers
from graftage.sdk.host_query import HostConnection, host_of_call
from graftage.sdk.instances import Instances, Made
from graftage.sdk.log import hidden, log_fields
from graftage.sdk.metrics import PLUGIN_METRICS, Metrics
from graftage.sdk.source import Sources
from graftage.sdk.spans import Spans, spans_for
from graftage.sdk.tracing import Metadata, parent_of
from graftage.sdk.workers import Workers

TENANT = "tenantid"
LOG_PAIRS = "loggerparamsctxmetadata"  # repeated; each `key:::value` is a field for the log
PAIR = ":::"

log = logging.getLogger(__name__)


class Runtime:
    """Serves a class, of which it makes objects, or an object that serves all data sources.

    Made and used inside a running event loop. environment: of this process, which the host made. connection:
    to the host, for those of its other data sources that are asked.
    """

    def __init__(
        self,
        target: object,
        *,
        metrics: Metrics = PLUGIN_METRICS,
        environment: Mapping[str, str] = os.environ,
        connection: HostConnection | None = None,
    ) -> None:
        self.target = target
        self.workers = Workers()
        self._connection = connection
        self._environment = {name: value for name, value in environment.items() if name.startswith("GF_")}
        self._sources = Sources(target, self.workers)
        self._instances = Instances(self._make, self._sources.end)
        self._metrics = metrics
        self._requests = metrics.counter(
            "grafana_plugin_request_total",
            "The total amount of plugin requests",
            labels=("endpoint", "status", "status_source"),
        )
        self._made = metrics.counter(
            "plugins_datasource_instances_total", "The total number of data source instances created"
        )
        self._active = metrics.gauge("plugins_active_instances", "The number of active plugin instances")
        self._tracing: Spans | None = None
        self._is_tracing_settled = False

    @asynccontextmanager
    async def call(
        self,
        endpoint: str,
        asked: PluginContext,
        metadata: Metadata = (),
        *,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> AsyncIterator[Call]:
        """Answer a call inside the block: it is logged, counted and traced, and `current()` tells about it.

        endpoint: what is asked, as Grafana calls it (`queryData`, `checkHealth`, `callResource`). metadata:
        of the gRPC call. headers: what the host sent beside the data. Raises CallBroken for what the block
        raises, unless the call is cancelled.
        """
        pairs = [(name, value) for name, value in metadata if isinstance(value, str)]
        tenant = dict(pairs).get(TENANT, "")
        host = host_of_call(metadata, self._connection)
        context = request_context(
            asked, environment=self._environment, tenant=tenant, headers=Headers(headers), host=host
        )
        call = Call(asked, context, self._instances, self.workers)
        started = time.perf_counter()
        with (
            self._traced(endpoint, asked, pairs) as trace_id,
            answering(context),
            log_fields(**_fields(endpoint, asked, pairs, trace_id)),
            hidden(call.secrets),
        ):
            log.debug("request started")
            try:
                yield call
            except BaseException as error:
                if comes_from_outside(error):
                    call.cancelled.set()
                    call.status, call.source = "cancelled", DOWNSTREAM
                    raise
                raise CallBroken(call.failed("the call failed", error)) from error
            finally:
                self._requests.add(endpoint=endpoint, status=call.status, status_source=call.source)
                log.debug(
                    "request ended",
                    extra={
                        "status": call.status,
                        "statusSource": call.source,
                        "duration": f"{(time.perf_counter() - started) * 1000:.1f}ms",
                    },
                )

    def metrics_text(self) -> str:
        """The plugin's own metrics in Prometheus' text format."""
        self._active.set(self._instances.count)
        return self._metrics.text()

    async def close(self, *, timeout: float) -> None:
        """Close all objects, and wait at most about `timeout` seconds for that."""
        await self._instances.close(timeout=timeout)
        if self._connection is not None:
            await self._connection.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sources.close(), timeout)
        if self._tracing is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.workers.submit(self._tracing.close), timeout)

    @contextmanager
    def _traced(
        self, endpoint: str, asked: PluginContext, metadata: Sequence[tuple[str, str]]
    ) -> Iterator[str]:
        """Make a span around the block if the host wants it; the trace's id, empty when there is none."""
        if not self._is_tracing_settled and asked.plugin_id:  # not earlier: only calls tell it
            self._tracing, self._is_tracing_settled = spans_for(asked.plugin_id, self._environment), True
        if self._tracing is None:
            parent = parent_of(metadata)
            yield parent.trace_id if parent else ""
            return
        with self._tracing.span(endpoint, metadata, _attributes(asked)) as trace_id:
            yield trace_id

    async def _make(self, asked: PluginContext) -> Made:
        made = await self._sources.make(asked)
        self._made.add()
        return made


def _fields(
    endpoint: str, asked: PluginContext, metadata: Sequence[tuple[str, str]], trace_id: str
) -> dict[str, str]:
    """The fields of every record that is logged during a call. Source: Grafana's Go SDK, backend/log."""
    source, user = asked.data_source, asked.user
    pairs = (value.partition(PAIR) for name, value in metadata if name == LOG_PAIRS and PAIR in value)
    fields = {
        "pluginId": asked.plugin_id,
        "pluginVersion": asked.plugin_version,
        "endpoint": endpoint,
        "traceId": trace_id,
        "dsName": source.name if source else "",
        "dsUid": source.uid if source else "",
        "uname": user.login if user else "",
    } | {key: value for key, _, value in pairs}
    return {name: value for name, value in fields.items() if value}


def _attributes(asked: PluginContext) -> dict[str, str | int]:
    """What a span says of its call. Source: Grafana's Go SDK, backend/tracing_middleware.go."""
    source, user = asked.data_source, asked.user
    attributes: dict[str, str | int] = {"plugin_id": asked.plugin_id, "org_id": asked.org_id}
    if source is not None:
        attributes |= {"datasource_name": source.name, "datasource_uid": source.uid}
    return attributes | ({"user": user.login} if user else {})
