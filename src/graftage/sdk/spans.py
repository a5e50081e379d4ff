"""A span for each call, sent to where Grafana sends its own: if it says so, and OpenTelemetry is installed.

Authors make spans of their own as with any program: `opentelemetry.trace.get_tracer(__name__)`.

Source: grafana/grafana-plugin-sdk-go, backend/tracing and internal/tracerprovider.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graftage.sdk.tracing import BOTH, W3C, Metadata, parent_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler

ADDRESS = "GF_INSTANCE_OTLP_ADDRESS"
PROPAGATION = "GF_INSTANCE_OTLP_PROPAGATION"
SAMPLER_TYPE = "GF_INSTANCE_OTLP_SAMPLER_TYPE"
SAMPLER_PARAM = "GF_INSTANCE_OTLP_SAMPLER_PARAM"
PLUGIN_VERSION = "GF_PLUGIN_VERSION"
TO_INSTALL = "opentelemetry-sdk and opentelemetry-exporter-otlp-proto-grpc"

log = logging.getLogger(__name__)


class Spans:
    """Makes spans and sends them."""

    def __init__(self, provider: TracerProvider, forms: frozenset[str]) -> None:
        self._provider = provider
        self._forms = forms
        self._tracer = provider.get_tracer("graftage")

    @contextmanager
    def span(self, endpoint: str, metadata: Metadata, attributes: Mapping[str, str | int]) -> Iterator[str]:
        """A span around the block, below the host's; the id of its trace. What is raised is noted in it."""
        from opentelemetry.trace import SpanKind, format_trace_id

        with self._tracer.start_as_current_span(
            f"sdk.{endpoint}", self._below(metadata), SpanKind.SERVER, attributes
        ) as span:
            yield format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        """Send what is left. Takes as long as the other side does."""
        self._provider.shutdown()

    def _below(self, metadata: Metadata) -> Context:
        from opentelemetry.context import Context
        from opentelemetry.trace import (
            NonRecordingSpan,
            SpanContext,
            TraceFlags,
            set_span_in_context,
        )

        parent = parent_of(metadata, forms=self._forms)
        if parent is None:
            return Context()
        flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
        above = SpanContext(
            int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags
        )
        return set_span_in_context(NonRecordingSpan(above), Context())


def spans_for(plugin_id: str, environment: Mapping[str, str]) -> Spans | None:
    """Spans as the host wants them; None when it wants none, or OpenTelemetry is not installed."""
    if not environment.get(ADDRESS):
        return None
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.info("the host wants spans of calls; install %s to have them", TO_INSTALL)
        return None
    version = environment.get(PLUGIN_VERSION, "")
    resource = Resource.create({"service.name": plugin_id, "service.version": version})
    provider = TracerProvider(_sampler(environment), resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=environment[ADDRESS], insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    forms = frozenset(name.strip() for name in environment.get(PROPAGATION, "").split(",")) & BOTH
    return Spans(provider, forms or frozenset({W3C}))


def _sampler(environment: Mapping[str, str]) -> Sampler:
    """Which calls are recorded: those of recorded traces, and of the others as the host says."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased

    kind = environment.get(SAMPLER_TYPE, "")
    try:
        parameter = float(environment.get(SAMPLER_PARAM, "1"))
    except ValueError:
        parameter = 1.0
    match kind:
        case "const":
            return ParentBased(ALWAYS_ON if parameter >= 1 else ALWAYS_OFF)
        case "probabilistic":
            return ParentBased(TraceIdRatioBased(min(max(parameter, 0.0), 1.0)))
        case "":
            return ParentBased(ALWAYS_ON)
        case _:
            log.warning("calls outside of any trace are all recorded: %s sampling is not built in", kind)
            return ParentBased(ALWAYS_ON)
