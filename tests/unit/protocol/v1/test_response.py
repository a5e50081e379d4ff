"""The v1 answer on the wire, compared with the protobuf runtime on the same bytes."""

from __future__ import annotations

import math
import struct
from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graftage.backend.query import Result
from graftage.data.table import Table
from graftage.errors import WireError
from graftage.protocol.pb import datasource_v1_pb2 as pb
from graftage.protocol.v1.response import decode_response, encode_response
from graftage.protocol.wire import write_bytes, write_varint

# The same examples on every run, and no clock: this suite has to pass on a loaded machine.
SETTINGS = settings(max_examples=30, deadline=None, derandomize=True)

INT64 = st.integers(-(2**63), 2**63 - 1)
# Every length of a varint, and the lengths that timestamps in milliseconds really have.
TIMES = st.one_of(
    st.just(0),
    INT64,
    st.integers(0, 2**14),
    st.integers(0, 8).map(lambda n: 1 << 7 * n),
    st.integers(2**40, 2**41),
)
VALUES = st.one_of(
    st.just(0.0), st.just(-0.0), st.floats(allow_nan=False), st.just(math.nan), st.integers(0, 9).map(float)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def seen(message: pb.DatasourceResponse) -> list[object]:
    """What the protobuf runtime sees, with doubles as bits so that NaN and -0.0 compare."""
    return [
        (
            result.refId,
            result.error,
            result.metaJson,
            [
                (one.name, dict(one.tags), [(point.timestamp, bits(point.value)) for point in one.points])
                for one in result.series
            ],
            [
                (
                    [column.name for column in table.columns],
                    [[cell(value) for value in row.values] for row in table.rows],
                )
                for table in result.tables
            ],
        )
        for result in message.results
    ]


def cell(value: pb.RowValue) -> object:
    match value.kind:
        case pb.RowValue.TYPE_NULL:
            return None
        case pb.RowValue.TYPE_DOUBLE:
            return bits(value.doubleValue)
        case pb.RowValue.TYPE_INT64:
            return value.int64Value
        case pb.RowValue.TYPE_BOOL:
            return value.boolValue
        case pb.RowValue.TYPE_STRING:
            return value.stringValue
        case pb.RowValue.TYPE_BYTES:
            return ("bytes", value.bytesValue)
        case unknown:
            return ("unknown", unknown)


def ours(results: tuple[Result, ...]) -> list[object]:
    return [
        (
            result.ref_id,
            result.error,
            result.meta_json,
            [
                (
                    one.name,
                    dict(one.labels),
                    [(t, bits(v)) for t, v in zip(one.times.tolist(), one.values.tolist(), strict=True)],
                )
                for one in result.series
            ],
            [
                (list(table.columns), [[our_cell(value) for value in row] for row in table.rows()])
                for table in result.tables
            ],
        )
        for result in results
    ]


def our_cell(value: object) -> object:
    if isinstance(value, bytes):
        return ("bytes", value)
    return bits(value) if isinstance(value, float) else value


def assert_same(data: bytes) -> None:
    """We read and refuse what the runtime does, but for text that is no UTF-8 and for unknown kinds."""
    try:
        expected = seen(pb.DatasourceResponse.FromString(data))
    except DecodeError:
        try:
            found = repr(ours(decode_response(data)))
        except WireError:
            return
        assert "\ufffd" in found, "refused by protobuf, and not for its text"
        return
    for one, result in zip(expected, decode_response(data), strict=True):
        if "('unknown', " in repr(one):
            assert "unknown value kind" in result.error
        else:
            assert without_odd_labels(one, result) == ours((result,))[0]


def without_odd_labels(expected: Any, result: Result) -> object:
    """The runtime drops an entry of a map that holds an unknown field; Go keeps it, and so do we."""
    ref_id, error, meta, series, tables = expected
    series = [
        (name, dict(mine.labels) | labels, points)
        for (name, labels, points), mine in zip(series, result.series, strict=True)
    ]
    return ref_id, error, meta, series, tables


def response(*results: bytes) -> bytes:
    return b"".join(write_bytes(1, result) for result in results)


def series_of(points: bytes) -> bytes:
    return response(write_bytes(2, b"A") + write_bytes(4, write_bytes(1, b"cpu") + points))


@st.composite
def raw_points(draw: st.DrawFn) -> bytes:
    """A point as somebody might encode it: usually in the usual way."""
    time = write_varint(draw(TIMES) % 2**64)
    value = bits(draw(VALUES))
    parts = {
        "both": b"\x08" + time + b"\x11" + value,
        "time": b"\x08" + time,
        "value": b"\x11" + value,
        "empty": b"",
        "swapped": b"\x11" + value + b"\x08" + time,
        "twice": b"\x08\x05\x08" + time + b"\x11" + value + b"\x11" + value,
        "overlong": b"\x08" + time[:-1] + bytes([time[-1] | 0x80, 0x00]) + b"\x11" + value,
        "unknown": b"\x08" + time + b"\x1a\x02hi\x11" + value + b"\x20\x01\x2d1234",
        "group": b"\x08" + time + b"\x1b\x08\x01\x1c\x11" + value,
        "other type": b"\x0d1234\x11" + value,
    }
    usual = st.sampled_from(["both", "both", "time", "value", "empty"])
    content = parts[draw(st.one_of(usual, usual, st.sampled_from(sorted(parts))))]
    length = write_varint(len(content))
    if draw(st.integers(0, 20)) == 0:
        length = bytes([length[0] | 0x80, 0x80, 0x00])
    return b"\x1a" + length + content


@SETTINGS
@given(st.lists(st.tuples(raw_points(), st.sampled_from([1, 2, 20, 150])), max_size=12), st.integers(1, 3))
def test_points_read_as_protobuf_reads_them_however_they_are_encoded(
    runs: list[tuple[bytes, int]], times: int
) -> None:
    assert_same(series_of(b"".join(point * count for point, count in runs) * times))


@SETTINGS
@given(st.lists(raw_points(), min_size=10, max_size=30), st.randoms(use_true_random=False))
def test_points_of_mixed_layouts_read_as_protobuf_reads_them(points: list[bytes], random: Random) -> None:
    assert_same(series_of(b"".join(random.choice(points) for _ in range(300))))


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(2**35, 2**42 - 1), VALUES), min_size=2, max_size=30),
    st.lists(raw_points(), max_size=3),
    st.randoms(use_true_random=False),
)
def test_todays_points_with_and_without_values_read_as_protobuf_reads_them(
    points: list[tuple[int, float]], others: list[bytes], random: Random
) -> None:
    usual = [pb.Point(timestamp=time, value=value).SerializeToString() for time, value in points]
    chosen = [write_bytes(3, random.choice(usual)) for _ in range(500)]
    for other in others:
        chosen.insert(random.randrange(len(chosen)), other)
    data = b"".join(chosen)
    assert_same(series_of(data))
    damaged = bytearray(data)
    damaged[random.randrange(len(data))] ^= 1 << random.randrange(8)
    assert_same(series_of(bytes(damaged)))


# Bytes inside of points that look as if a point started there.
MISLEADING = {
    "timestamps that end in 1a, before a value": [(0x1A << 7 * size, 1.5) for size in (1, 3, 5)],
    "values that hold whole points": [(1, struct.unpack("<d", b"\x1a\x02\x08\x05\x1a\x02\x08\x05")[0])],
    "values that hold the start of a longer point": [
        (300, struct.unpack("<d", b"01\x1a\x14\x08\x81\x82@")[0])
    ],
    "values that run into the next point": [(300, struct.unpack("<d", b"012345\x1a\x00")[0]), (7, 0.0)],
    "points without anything among others": [(0, 0.0), (0, 0.0), (5, 0.0), (2**40, 1.0)],
    "timestamps of nine and ten bytes": [(2**62, 1.0), (-1, 0.0), (-(2**63), 2.0), (2**56, 0.0), (3, 4.0)],
}


@pytest.mark.parametrize("points", MISLEADING.values(), ids=MISLEADING.keys())
def test_what_looks_like_a_start_inside_of_a_point_misleads_nobody(points: list[tuple[int, float]]) -> None:
    random = Random(1)
    usual = [(1 << 7 * size, 2.5 * (size % 3)) for size in range(9)]
    chosen = [random.choice(random.choice([points, usual])) for _ in range(3000)]
    assert_same(series_of(b"".join(written(*point) for point in chosen)))


@pytest.mark.parametrize("tenth", [b"\x00", b"\x01", b"\x7f", b"\x80\x01", b"\xff\x00"])
def test_a_timestamp_beside_others_is_refused_if_it_does_not_end_after_ten_bytes(tenth: bytes) -> None:
    odd = write_bytes(3, b"\x08" + b"\x81" * 9 + tenth)
    assert_same(series_of((written(5, 0.0) + written(300, 1.5)) * 500 + odd + written(5, 1.5) * 500))


def written(time: int, value: float) -> bytes:
    return write_bytes(3, pb.Point(timestamp=time, value=value).SerializeToString())


@SETTINGS
@given(
    st.lists(st.tuples(TIMES, VALUES), max_size=30),
    st.sampled_from([1, 3, 100]),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=3),
)
def test_what_is_encoded_is_what_protobuf_encodes(
    points: list[tuple[int, float]], times: int, labels: object
) -> None:
    points = points * times
    message = pb.DatasourceResponse()
    series = message.results.add(refId="A", error="e", metaJson="{}").series.add(
        name="cpu", tags=dict(labels)
    )  # type: ignore[call-overload]
    series.points.extend(pb.Point(timestamp=time, value=value) for time, value in points)
    data = message.SerializeToString(deterministic=True)
    results = decode_response(data)
    assert ours(results) == seen(message)
    assert pb.DatasourceResponse.FromString(encode_response(results)) == message or "nan" in repr(points)
    assert ours(decode_response(encode_response(results))) == ours(results)
    if len(dict(labels)) < 2:  # type: ignore[call-overload]
        assert encode_response(results) == data


CELLS = st.one_of(
    st.none(), st.booleans(), INT64, VALUES, TEXTS, st.text(min_size=100, max_size=300), st.binary(max_size=9)
)


@SETTINGS
@given(
    st.lists(TEXTS, max_size=4), st.lists(st.lists(CELLS, max_size=5), max_size=8), st.sampled_from([1, 20])
)
def test_tables_survive_the_wire(columns: list[str], rows: list[list[object]], times: int) -> None:
    table = Table.of(columns, rows * times)
    data = encode_response([Result("A", tables=(table,))])
    (result,) = decode_response(data)
    assert ours((result,)) == ours((Result("A", tables=(table,)),))
    assert_same(data)


@st.composite
def raw_cells(draw: st.DrawFn) -> bytes:
    """A cell with any fields in any order."""
    number = st.integers(0, 2**64 - 1).map(write_varint)
    text = st.binary(max_size=200)
    kinds = st.one_of(
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 2**64 - 1) if draw(st.integers(0, 30)) == 0 else st.just(0),
    )
    fields = st.one_of(
        kinds.map(lambda kind: b"\x08" + write_varint(kind)),
        VALUES.map(lambda value: b"\x11" + bits(value)),
        number.map(lambda value: b"\x18" + value),
        number.map(lambda value: b"\x20" + value),
        TEXTS.map(lambda value: write_bytes(5, value.encode())),
        text.map(lambda value: write_bytes(6, value)),
        st.just(b"\x78\x01"),
    )
    return write_bytes(1, b"".join(draw(st.lists(fields, max_size=4))))


@SETTINGS
@given(st.lists(st.lists(raw_cells(), max_size=4).map(b"".join), max_size=6), st.sampled_from([1, 30]))
def test_tables_read_as_protobuf_reads_them_however_they_are_encoded(rows: list[bytes], times: int) -> None:
    table = write_bytes(1, write_bytes(1, b"a")) + b"".join(write_bytes(2, row) for row in rows) * times
    assert_same(response(write_bytes(5, table)))


@SETTINGS
@given(st.binary(max_size=200))
@example(b"\x0a\x02\x22\x80")
def test_any_bytes_are_a_value_or_a_wire_error(data: bytes) -> None:
    assert_same(data)


@SETTINGS
@given(st.data())
def test_a_damaged_answer_is_read_as_protobuf_reads_it_or_refused(data: st.DataObject) -> None:
    points = data.draw(st.lists(raw_points(), max_size=8)) * data.draw(st.integers(1, 60))
    good = response(
        write_bytes(2, b"A")
        + write_bytes(4, write_bytes(1, b"cpu") + write_bytes(2, b"\x0a\x01k\x12\x01v") + b"".join(points))
        + write_bytes(5, b"\x0a\x03\x0a\x01a\x12\x06\x0a\x04\x08\x04\x2a\x00")
    )
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    assert_same(bytes(damaged[: data.draw(st.integers(0, len(good)))]))
    assert_same(bytes(damaged))


def test_an_answer_of_countless_tiny_parts_is_refused() -> None:
    with pytest.raises(WireError, match="more than 250,000 results, series, tables and labels"):
        decode_response(write_bytes(1, b"\x22\x00" * 250_001))
