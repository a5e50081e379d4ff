"""The v1 request on the wire."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.backend.secrets import Secrets
from graftage.errors import WireError
from graftage.protocol.pb import datasource_v1_pb2 as pb
from graftage.protocol.v1.request import decode_request, encode_request

REQUEST = QueryRequest(
    TimeRange(-1, 2**62, "now-6h", "now"),
    context_of(
        DataSourceSettings(
            7, 2, "Probe", "probe-datasource", "http://x", '{"a":1}', Secrets({"key": "s3cr3t"})
        )
    ),
    (Query("A", '{"refId":"A"}', 250, 0), Query("", "{}", -5, 100)),
)


def test_a_request_survives_the_wire() -> None:
    assert decode_request(encode_request(REQUEST)) == REQUEST


def test_every_field_is_where_grafana_puts_it() -> None:
    message = pb.DatasourceRequest.FromString(encode_request(REQUEST))
    assert (message.timeRange.fromEpochMs, message.timeRange.fromRaw) == (-1, "now-6h")
    assert (message.timeRange.toEpochMs, message.timeRange.toRaw) == (2**62, "now")
    assert (message.datasource.id, message.datasource.orgId, message.datasource.type) == (
        7,
        2,
        "probe-datasource",
    )
    assert dict(message.datasource.decryptedSecureJsonData) == {"key": "s3cr3t"}
    assert message.queries[0] == pb.Query(refId="A", modelJson='{"refId":"A"}', intervalMs=250)
    assert message.queries[1] == pb.Query(modelJson="{}", intervalMs=-5, maxDataPoints=100)


def test_the_empty_message_is_a_request_of_nothing() -> None:
    request = decode_request(b"")
    assert (request.queries, request.data_source.json, request.time_range.to_ms) == ((), "", 0)


def test_bytes_that_are_no_request_are_a_wire_error() -> None:
    with pytest.raises(WireError, match=r"no models\.DatasourceRequest"):
        decode_request(b"\x0a\xff")


def test_loading_the_module_loads_neither_numpy_nor_protobuf() -> None:
    program = (
        "import sys, graftage.protocol.v1.request\n"
        "sys.exit(', '.join({'numpy', 'google.protobuf'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
