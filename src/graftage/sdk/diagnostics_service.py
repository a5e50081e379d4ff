"""`pluginv2.Diagnostics`: is the data source well, and what does the plugin count?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from graftage.backend.health import HealthReport, HealthRequest, HealthStatus
from graftage.errors import PluginFault
from graftage.protocol.v2.diagnostics import (
    decode_health_request,
    decode_metrics_request,
    encode_health_report,
    encode_metrics,
)
from graftage.sdk.call import Call, comes_from_outside
from graftage.sdk.data_source import CHECK_HEALTH
from graftage.sdk.handlers import answers_health
from graftage.sdk.health import Health
from graftage.sdk.metrics import author_metrics
from graftage.sdk.process_metrics import process_metrics
from graftage.sdk.runtime import Runtime
from graftage.sdk.tracing import Metadata

HEALTH_ENDPOINT = "checkHealth"
METRICS_ENDPOINT = "collectMetrics"
WITHOUT_HANDLER = Health.ok("")


class DiagnosticsService:
    """Every plugin has it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def check_health(self, message: bytes, metadata: Metadata) -> bytes:
        return encode_health_report(await self.report(decode_health_request(message), metadata))

    async def collect_metrics(self, message: bytes, metadata: Metadata) -> bytes:
        async with self._runtime.call(METRICS_ENDPOINT, decode_metrics_request(message), metadata):
            return encode_metrics(self.metrics_text().encode("utf-8", "replace"))

    async def report(self, request: HealthRequest, metadata: Metadata = ()) -> HealthReport:
        """How the author's object is. One that cannot be made, or asked, is not well."""
        async with self._runtime.call(
            HEALTH_ENDPOINT, request.context, metadata, headers=request.headers
        ) as call:
            try:
                return _report(await self._ask(call))
            except BaseException as error:
                if comes_from_outside(error):
                    raise
                return HealthReport(HealthStatus.ERROR, call.failed("the health check failed", error).text)

    def metrics_text(self) -> str:
        """The plugin's own numbers, and its author's, whose numbers of the process take the place of ours."""
        of_author = author_metrics()
        of_process = "" if "process_cpu_seconds_total" in of_author else process_metrics()
        return self._runtime.metrics_text() + of_process + of_author

    async def _ask(self, call: Call) -> object:
        async with call.instance() as instance:
            if not answers_health(instance.source):
                return WITHOUT_HANDLER
            handler: Callable[..., Any] = getattr(instance.source, CHECK_HEALTH)
            arguments = (call.context,) if _takes_context(handler) else ()
            return await call.run(instance, handler, *arguments)


def _report(answer: object) -> HealthReport:
    """What a handler returned, as the host is told. Raises PluginFault for what is no answer."""
    match answer:
        case None:
            return HealthReport(HealthStatus.OK)
        case str():
            return HealthReport(HealthStatus.OK, answer)
        case Health():
            return HealthReport(answer.status, answer.message, _details(answer.details))
        case _:
            raise PluginFault(
                f"{CHECK_HEALTH} returned {type(answer).__name__}; expected Health.ok(...), "
                "Health.error(...) or a text, which means OK"
            )


def _details(details: object) -> bytes:
    """The details as the JSON object that they have to be: anything else makes hosts fail."""
    if details is None:
        return b""
    if not isinstance(details, Mapping):
        raise PluginFault(f"the details of a Health are {type(details).__name__}; expected a dict")
    try:
        return msgspec.json.encode(dict(details))
    except (TypeError, ValueError) as error:
        raise PluginFault(f"the details of a Health cannot be written as JSON: {error}") from error


def _takes_context(handler: Callable[..., Any]) -> bool:
    return bool(inspect.signature(handler).parameters)
