"""Points whose first byte is not the one that every writer puts there, as protobuf itself reads them."""

from __future__ import annotations

import pytest

from graftage.protocol.pb.datasource_v1_pb2 import DatasourceResponse
from graftage.protocol.v1.response import decode_response
from graftage.protocol.wire import write_bytes

POINT = b"\x08\x07\x11" + bytes(6) + b"\xf0\x3f"
PLAIN = write_bytes(3, POINT)
LONG_TAG = b"\x9a\x00" + PLAIN[1:]
GROUP = b"\x4b\x08\x01\x4c"  # field 9, which nobody knows


@pytest.mark.parametrize(
    "series",
    [
        LONG_TAG,
        LONG_TAG * 3,
        PLAIN * 3 + LONG_TAG + PLAIN * 2,
        GROUP + PLAIN,
        PLAIN + GROUP + PLAIN * 3 + GROUP + LONG_TAG,
        GROUP,
        LONG_TAG + write_bytes(1, b"name"),
    ],
    ids=[
        "long",
        "long ones",
        "long among others",
        "after a group",
        "all together",
        "group only",
        "then a name",
    ],
)
def test_points_with_odd_tags_are_read(series: bytes) -> None:
    data = write_bytes(1, write_bytes(4, series))
    expected = DatasourceResponse.FromString(data).results[0].series[0]
    (found,) = decode_response(data)[0].series
    assert found.name == expected.name
    assert found.times.tolist() == [point.timestamp for point in expected.points]
    assert found.values.tolist() == [point.value for point in expected.points]
