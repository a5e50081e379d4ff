"""Every message of version 2 survives the wire, and any bytes are a value or a WireError."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from graftage.backend.admission import (
    AdmissionRequest,
    Conversion,
    ConversionRequest,
    Kind,
    RawObject,
    Reason,
    Verdict,
)
from graftage.backend.context import AppSettings, DataSourceSettings, PluginContext, User
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import Chunk, FrameFormat, Query, QueryRequest, Result, TimeRange
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import WireError
from graftage.protocol.v2 import admission, data, diagnostics, error_source, resource, stream

TEXT = some.text(some.characters(codec="utf-8"), max_size=8)
BYTES = some.binary(max_size=8)
INT32 = some.integers(-(2**31), 2**31 - 1)
INT64 = some.integers(-(2**63), 2**63 - 1)
TEXTS = some.dictionaries(TEXT, TEXT, max_size=3)
SECRETS = some.builds(Secrets, TEXTS)
HEADERS = some.dictionaries(TEXT, some.lists(TEXT, max_size=3).map(tuple), max_size=3)


@some.composite
def contexts(draw: some.DrawFn) -> PluginContext:
    org_id, plugin_id = draw(INT64), draw(TEXT)
    source = some.builds(
        DataSourceSettings,
        id=INT64,
        org_id=some.just(org_id),
        name=TEXT,
        type=some.just(plugin_id),
        url=TEXT,
        json=TEXT,
        secrets=SECRETS,
        uid=TEXT,
        user=TEXT,
        database=TEXT,
        basic_auth_enabled=some.booleans(),
        basic_auth_user=TEXT,
        updated_ms=INT64,
        api_version=TEXT,
    )
    return PluginContext(
        org_id=org_id,
        plugin_id=plugin_id,
        plugin_version=draw(TEXT),
        user=draw(some.none() | some.builds(User, TEXT, TEXT, TEXT, TEXT)),
        data_source=draw(some.none() | source),
        app=draw(some.none() | some.builds(AppSettings, TEXT, SECRETS, INT64, TEXT)),
        grafana_config=draw(TEXTS),
        user_agent=draw(TEXT),
        api_version=draw(TEXT),
        namespace=draw(TEXT),
    )


RANGES = some.builds(TimeRange, INT64, INT64)
REASONS = some.none() | some.builds(Reason, TEXT, TEXT, TEXT, INT32)
OBJECTS = some.lists(some.builds(RawObject, BYTES, TEXT), max_size=3).map(tuple)


@some.composite
def query_requests(draw: some.DrawFn) -> QueryRequest:
    """The first query gives the request its time range; another has its own only if that is another one."""
    first, *others = draw(some.lists(RANGES, min_size=1, max_size=3))
    own = [None, *(None if one == first else one for one in others)]
    queries = (Query(draw(TEXT), draw(TEXT), draw(INT64), draw(INT64), draw(TEXT), one) for one in own)
    return QueryRequest(
        first, draw(contexts()), tuple(queries), draw(TEXTS), draw(some.sampled_from(FrameFormat))
    )


RESULTS = some.builds(
    Result,
    ref_id=TEXT,
    error=TEXT,
    meta_json=TEXT,
    arrow=some.lists(BYTES, max_size=3).map(tuple),
    status=INT32,
    error_source=TEXT,
)
RESPONSES = some.lists(RESULTS, max_size=3, unique_by=lambda result: result.ref_id).map(
    lambda results: tuple(sorted(results, key=lambda result: result.ref_id))
)
CHUNKS = some.builds(Chunk, TEXT, TEXT, some.none() | some.binary(min_size=1, max_size=8), TEXT, INT32, TEXT)

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]

MESSAGES: dict[str, tuple[some.SearchStrategy[Any], Encode, Decode]] = {
    "query request": (query_requests(), data.encode_query_request, data.decode_query_request),
    "query response": (RESPONSES, data.encode_query_response, data.decode_query_response),
    "chunk": (CHUNKS, data.encode_chunk, data.decode_chunk),
    "health request": (
        some.builds(HealthRequest, contexts(), TEXTS),
        diagnostics.encode_health_request,
        diagnostics.decode_health_request,
    ),
    "health report": (
        some.builds(HealthReport, INT32, TEXT, BYTES),
        diagnostics.encode_health_report,
        diagnostics.decode_health_report,
    ),
    "metrics request": (contexts(), diagnostics.encode_metrics_request, diagnostics.decode_metrics_request),
    "metrics": (BYTES, diagnostics.encode_metrics, diagnostics.decode_metrics),
    "resource request": (
        some.builds(ResourceRequest, contexts(), TEXT, TEXT, TEXT, HEADERS, BYTES),
        resource.encode_resource_request,
        resource.decode_resource_request,
    ),
    "resource part": (
        some.builds(ResourcePart, INT32, HEADERS, BYTES),
        resource.encode_resource_part,
        resource.decode_resource_part,
    ),
    "stream request": (
        some.builds(StreamRequest, contexts(), TEXT, BYTES, TEXTS),
        stream.encode_stream_request,
        stream.decode_stream_request,
    ),
    "stream answer": (
        some.builds(StreamAnswer, INT32, BYTES),
        stream.encode_stream_answer,
        stream.decode_stream_answer,
    ),
    "packet": (BYTES, stream.encode_packet, stream.decode_packet),
    "admission request": (
        some.builds(AdmissionRequest, contexts(), INT32, some.builds(Kind, TEXT, TEXT, TEXT), BYTES, BYTES),
        admission.encode_admission_request,
        admission.decode_admission_request,
    ),
    "verdict": (
        some.builds(Verdict, some.booleans(), REASONS, some.lists(TEXT, max_size=3).map(tuple), BYTES),
        admission.encode_verdict,
        admission.decode_verdict,
    ),
    "conversion request": (
        some.builds(ConversionRequest, contexts(), TEXT, OBJECTS, TEXT, TEXT),
        admission.encode_conversion_request,
        admission.decode_conversion_request,
    ),
    "conversion": (
        some.builds(Conversion, TEXT, OBJECTS, REASONS),
        admission.encode_conversion,
        admission.decode_conversion,
    ),
}
NAMES = list(MESSAGES)


@pytest.mark.parametrize("name", NAMES)
@given(draw=some.data())
def test_a_message_survives_the_wire(name: str, draw: some.DataObject) -> None:
    values, encode, decode = MESSAGES[name]
    value = draw.draw(values)
    assert decode(encode(value)) == value


@pytest.mark.parametrize("name", NAMES)
@given(draw=some.data())
def test_any_bytes_are_a_value_or_a_wire_error(name: str, draw: some.DataObject) -> None:
    values, encode, decode = MESSAGES[name]
    changed = bytearray(encode(draw.draw(values)) + draw.draw(BYTES))
    for place in draw.draw(some.lists(some.integers(0, len(changed)), max_size=4)):
        changed[place : place + 1] = draw.draw(some.binary(max_size=2))
    with suppress(WireError):
        decode(bytes(changed))


@pytest.mark.parametrize("name", NAMES)
def test_the_empty_message_is_a_value(name: str) -> None:
    MESSAGES[name][2](b"")


@pytest.mark.parametrize("name", NAMES)
def test_an_error_does_not_repeat_the_bytes(name: str) -> None:
    with pytest.raises(WireError) as caught:
        MESSAGES[name][2](b"\x0a\x7fs3cr3t")
    assert "s3cr3t" not in str(caught.value)


@given(source=some.sampled_from(["plugin", "downstream", ""]), message=TEXT)
def test_the_source_of_an_error_survives_the_wire(source: str, message: str) -> None:
    assert error_source.read_error_source(error_source.error_details(source, message)) == source


@given(details=some.binary(max_size=64))
def test_any_details_of_an_error_are_a_source_or_none(details: bytes) -> None:
    assert error_source.read_error_source([(error_source.DETAILS, details)]) == ""


def test_loading_the_modules_loads_neither_numpy_nor_protobuf() -> None:
    program = (
        "import sys\n"
        "from graftage.protocol.v2 import admission, data, diagnostics, error_source, resource, stream\n"
        "sys.exit(', '.join({'numpy', 'google.protobuf'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
