"""To which trace a call belongs, and the spans that are made of calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from graftage.backend.context import PluginContext
from graftage.sdk.metrics import Metrics
from graftage.sdk.runtime import Runtime
from graftage.sdk.spans import ADDRESS, PROPAGATION, SAMPLER_PARAM, SAMPLER_TYPE, spans_for
from graftage.sdk.tracing import BOTH, JAEGER, W3C, Parent, parent_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BY_W3C = ("traceparent", f"00-{TRACE}-{SPAN}-01")
BY_JAEGER = ("uber-trace-id", f"ABC:{SPAN}:0:0")
FROM_W3C, FROM_JAEGER = Parent(TRACE, SPAN, True), Parent("abc".zfill(32), SPAN, False)


@pytest.mark.parametrize(
    ("metadata", "forms", "expected"),
    [
        ([BY_W3C], BOTH, FROM_W3C),
        ([BY_W3C, BY_JAEGER], BOTH, FROM_W3C),
        ([BY_W3C, BY_JAEGER], {JAEGER}, FROM_JAEGER),
        ([BY_JAEGER], BOTH, FROM_JAEGER),
        ([BY_JAEGER], {W3C}, None),
        ([("traceparent", f"cc-{TRACE}-{SPAN}-00-more")], BOTH, Parent(TRACE, SPAN, False)),
        ([("traceparent", f"00-{'0' * 32}-{SPAN}-01")], BOTH, None),
        ([("traceparent", f"00-{TRACE}-{'0' * 16}-01")], BOTH, None),
        ([("traceparent", f"00-short-{SPAN}-01")], BOTH, None),
        ([("uber-trace-id", f"{TRACE}%3A{SPAN}%3A0%3A1")], BOTH, FROM_W3C),
        ([("traceparent", b"00")], BOTH, None),
        ([("user-agent", "grpc-go")], BOTH, None),
        ([], BOTH, None),
    ],
)
def test_the_trace_of_a_call_is_read_from_its_metadata(
    metadata: list[tuple[str, str | bytes]], forms: set[str], expected: Parent | None
) -> None:
    assert parent_of(metadata, forms=frozenset(forms)) == expected


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[str, list[Span]]]:
    """A server that takes spans: its address, and what it has got."""
    spans: list[Span] = []

    async def export(message: bytes, context: object) -> bytes:
        request = collector.ExportTraceServiceRequest.FromString(message)
        spans.extend(
            span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans
        )
        return b""

    method = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server = grpc.aio.server()
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, method),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", spans
    finally:
        await server.stop(None)


async def spans_of_a_call(environment: Mapping[str, str], metadata: Any) -> list[Span]:
    class Plugin:
        def query(self, query: Any) -> None: ...

    async with collecting() as (address, spans):
        runtime = Runtime(Plugin, metrics=Metrics(), environment={ADDRESS: address, **environment})
        async with runtime.call("queryData", PluginContext(3, "acme"), metadata):
            pass
        await runtime.close(timeout=4)
        return spans


@pytest.mark.parametrize(
    ("environment", "metadata", "parent"),
    [
        ({}, [BY_W3C], FROM_W3C),
        ({PROPAGATION: "jaeger,w3c"}, [BY_W3C], FROM_W3C),
        ({PROPAGATION: "w3c"}, [BY_JAEGER], None),
        ({SAMPLER_TYPE: "probabilistic", SAMPLER_PARAM: "1.000000"}, [], None),
    ],
)
async def test_a_call_is_a_span_below_that_of_the_host(
    environment: dict[str, str], metadata: list[tuple[str, str]], parent: Parent | None
) -> None:
    (span,) = await spans_of_a_call(environment, metadata)

    attributes = {entry.key: entry.value.string_value for entry in span.attributes}
    assert (span.name, attributes["plugin_id"]) == ("sdk.queryData", "acme")
    assert span.parent_span_id.hex() == (parent.span_id if parent else "")
    if parent is not None:
        assert span.trace_id.hex() == parent.trace_id


@pytest.mark.parametrize(
    ("environment", "metadata"),
    [
        ({SAMPLER_TYPE: "const", SAMPLER_PARAM: "0"}, []),
        ({SAMPLER_TYPE: "probabilistic", SAMPLER_PARAM: "0"}, []),
        ({PROPAGATION: "jaeger"}, [BY_JAEGER]),
    ],
)
async def test_what_is_not_recorded_is_not_sent(
    environment: dict[str, str], metadata: list[tuple[str, str]]
) -> None:
    assert await spans_of_a_call(environment, metadata) == []


def test_without_an_address_there_are_no_spans() -> None:
    assert spans_for("acme", {}) is None


async def test_a_collector_that_is_gone_holds_nothing_up() -> None:
    class Plugin:
        def query(self, query: Any) -> None: ...

    runtime = Runtime(Plugin, metrics=Metrics(), environment={ADDRESS: "127.0.0.1:1"})
    async with runtime.call("queryData", PluginContext(3, "acme"), [BY_W3C]):
        pass

    await asyncio.wait_for(runtime.close(timeout=0.1), 2)
