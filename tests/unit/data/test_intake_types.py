"""What each column type of the usual libraries becomes in a frame."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from graftage.data.frame import Field, FieldType
from graftage.data.intake import frame_from

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC).replace(tzinfo=None)
NOON_NS = np.datetime64(NOON, "ns")
LONG = "a text of more than twelve bytes, with ö and 🦆"
TEXT = FieldType.STRING


def arrow(values: list[object], kind: pa.DataType) -> pa.Table:
    return pa.table({"x": pa.array(values, kind)})


def polars(values: list[object], kind: Any) -> pl.DataFrame:
    return pl.DataFrame({"x": pl.Series(values, dtype=kind)})


def duck(expression: str) -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql(f"SELECT unnest([{expression}, NULL]) AS x")


def pandas(values: list[object], kind: str) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.array(values, dtype=kind)})


def only(data: object, **options: Any) -> Field:
    (field,) = frame_from(data, **options).fields
    assert field.name == "x"
    return field


def values_of(field: Field) -> list[object]:
    """Python values, with None where one is missing."""
    return [
        value if there else None for value, there in zip(list(field.values), field.present(), strict=True)
    ]


@pytest.mark.parametrize(
    ("data", "kind", "first"),
    [
        # Text
        (arrow([LONG, None], pa.string()), TEXT, LONG),
        (arrow([LONG, None], pa.large_string()), TEXT, LONG),
        (arrow([LONG, None], pa.string_view()), TEXT, LONG),
        (arrow(["short", None], pa.string_view()), TEXT, "short"),
        (polars([LONG, None], pl.String), TEXT, LONG),
        (polars(["", None], pl.String), TEXT, ""),
        (duck(f"'{LONG}'"), TEXT, LONG),
        (pandas([LONG, None], "str"), TEXT, LONG),
        (pandas([LONG, None], "object"), TEXT, LONG),
        (duck("'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::UUID"), TEXT, "4ac7a9e9-607c-4c8a-84f3-843f0191e3fd"),
        # Categories
        (arrow(["b", None], pa.dictionary(pa.int8(), pa.large_string())), TEXT, "b"),
        (arrow([7, None], pa.dictionary(pa.uint32(), pa.int16())), FieldType.INT16, 7),
        (polars(["b", None], pl.Categorical), TEXT, "b"),
        (polars(["b", None], pl.Enum(["a", "b"])), TEXT, "b"),
        (duck("'b'::ENUM('a', 'b')"), TEXT, "b"),
        (pandas(["b", None], "category"), TEXT, "b"),
        # Bools and numbers
        (arrow([True, None], pa.bool_()), FieldType.BOOL, True),
        (polars([True, None], pl.Boolean), FieldType.BOOL, True),
        (duck("true"), FieldType.BOOL, True),
        (pandas([True, None], "boolean"), FieldType.BOOL, True),
        (arrow([-(2**63), None], pa.int64()), FieldType.INT64, -(2**63)),
        (arrow([2**64 - 1, None], pa.uint64()), FieldType.UINT64, 2**64 - 1),
        (arrow([-1, None], pa.int8()), FieldType.INT8, -1),
        (polars([300, None], pl.UInt16), FieldType.UINT16, 300),
        (duck("1::UTINYINT"), FieldType.UINT8, 1),
        (pandas([1, None], "Int32"), FieldType.INT32, 1),
        (arrow([0.5, None], pa.float16()), FieldType.FLOAT32, 0.5),
        (arrow([0.5, None], pa.float32()), FieldType.FLOAT32, 0.5),
        (polars([0.1, None], pl.Float64), FieldType.FLOAT64, 0.1),
        (duck("0.1::DOUBLE"), FieldType.FLOAT64, 0.1),
        (pandas([0.1, None], "float64"), FieldType.FLOAT64, 0.1),
        (arrow([Decimal("1.10"), None], pa.decimal128(5, 2)), FieldType.FLOAT64, 1.1),
        (arrow([Decimal("-1.10"), None], pa.decimal256(50, 2)), FieldType.FLOAT64, -1.1),
        (arrow([Decimal("1200"), None], pa.decimal128(5, -2)), FieldType.FLOAT64, 1200.0),
        (polars([Decimal("1.10"), None], pl.Decimal(10, 2)), FieldType.FLOAT64, 1.1),
        (duck("12345678901234567890.12345::DECIMAL(38, 5)"), FieldType.FLOAT64, 12345678901234567890.12345),
        (duck("-170141183460469231731687303715884105727::HUGEINT"), FieldType.FLOAT64, -(2.0**127)),
        # Times
        *[(arrow([NOON, None], pa.timestamp(unit)), FieldType.TIME, NOON_NS)
          for unit in ("s", "ms", "us", "ns")],
        (arrow([NOON, None], pa.timestamp("us", "Europe/Berlin")), FieldType.TIME, NOON_NS),
        (polars([NOON, None], pl.Datetime("us")), FieldType.TIME, NOON_NS),
        (polars([NOON, None], pl.Datetime("ms")), FieldType.TIME, NOON_NS),
        (duck("TIMESTAMP '2024-02-29 12:00:00'"), FieldType.TIME, NOON_NS),
        (duck("TIMESTAMPTZ '2024-02-29 14:00:00+02'"), FieldType.TIME, NOON_NS),
        (pandas([NOON, None], "datetime64[us]"), FieldType.TIME, NOON_NS),
        (pandas([pd.Timestamp(NOON, tz="UTC"), None], "datetime64[ns, UTC]"), FieldType.TIME, NOON_NS),
        *[
            (arrow([date(2024, 2, 29), None], kind), FieldType.TIME, np.datetime64("2024-02-29", "ns"))
            for kind in (pa.date32(), pa.date64())
        ],
        (polars([date(1969, 12, 31), None], pl.Date), FieldType.TIME, np.datetime64("1969-12-31", "ns")),
        (duck("DATE '2024-02-29'"), FieldType.TIME, np.datetime64("2024-02-29", "ns")),
        # Nested
        (arrow([[1, None], None], pa.list_(pa.int8())), FieldType.JSON, "[1,null]"),
        (arrow([["a"], None], pa.large_list(pa.string())), FieldType.JSON, '["a"]'),
        (arrow([[1, 2], None], pa.list_(pa.int8(), 2)), FieldType.JSON, "[1,2]"),
        (arrow([[("k", 1.5)], None], pa.map_(pa.string(), pa.float64())), FieldType.JSON, '{"k":1.5}'),
        (polars([[[True], []], None], pl.List(pl.List(pl.Boolean))), FieldType.JSON, "[[true],[]]"),
        (polars([[], None], pl.List(pl.Null)), FieldType.JSON, "[]"),
        (
            polars([{"t": NOON, "n": None}, None], pl.Struct({"t": pl.Datetime, "n": pl.Int8})),
            FieldType.JSON,
            '{"t":"2024-02-29T12:00:00Z","n":null}',
        ),
        (duck("[1, 2]"), FieldType.JSON, "[1,2]"),
        (duck("{'a': 1, 'b': ['x']}"), FieldType.JSON, '{"a":1,"b":["x"]}'),
        (duck("MAP {'k': 1}"), FieldType.JSON, '{"k":1}'),
        # Extension types
        (arrow(['{"a":  1}', None], pa.json_()), FieldType.JSON, '{"a":  1}'),
        (arrow([1, None], pa.bool8()), FieldType.INT8, 1),
    ],
)  # fmt: skip
def test_a_column_becomes_the_nearest_type_of_a_frame(data: object, kind: FieldType, first: object) -> None:
    field = only(data)
    assert (field.type, field.nullable, field.config) == (kind, True, None)
    assert values_of(field) == [first, None]


@pytest.mark.parametrize(
    ("data", "count", "unit"),
    [
        (arrow([time(0, 0, 1), None], pa.time32("s")), 10**9, "ns"),
        (arrow([time(0, 0, 1), None], pa.time64("us")), 10**9, "ns"),
        (polars([time(0, 0, 1), None], pl.Time), 10**9, "ns"),
        (duck("TIME '00:00:01'"), 10**9, "ns"),
        *[(arrow([7, None], pa.duration(arrow_unit)), 7, unit)
          for arrow_unit, unit in [("s", "s"), ("ms", "ms"), ("us", "µs"), ("ns", "ns")]],
        (polars([timedelta(seconds=1), None], pl.Duration("us")), 10**6, "µs"),
        (pandas([timedelta(seconds=1), None], "timedelta64[ms]"), 1000, "ms"),
    ],
)  # fmt: skip
def test_times_of_day_and_durations_are_counts_that_tell_their_unit(
    data: object, count: int, unit: str
) -> None:
    field = only(data)
    assert (field.type, values_of(field), field.config) == (FieldType.INT64, [count, None], {"unit": unit})


@pytest.mark.parametrize("data", [arrow([None, None], pa.null()), polars([None, None], pl.Null)])
def test_a_column_of_nothing_is_text_that_is_missing(data: object) -> None:
    field = only(data)
    assert (field.type, values_of(field)) == (FieldType.STRING, [None, None])


def test_nan_stays_a_value_where_the_library_tells_it_from_missing() -> None:
    for data in (polars([float("nan"), None], pl.Float64), arrow([float("nan"), None], pa.float64())):
        field = only(data)
        assert np.isnan(field.values[0])
        assert field.present().tolist() == [True, False]


def test_decimals_are_the_nearest_floats_however_long() -> None:
    texts = ["0.1", "-0.3", "9007199254740993.5", "-123456789012345678901234567.89", "0.0000000001"]
    field = only(arrow([Decimal(text) for text in texts], pa.decimal128(38, 10)))
    assert field.values.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (arrow([b"[1]", None], pa.binary()), "[1]"),
        (arrow([b"[1]", None], pa.large_binary()), "[1]"),
        (arrow([b"[1]", None], pa.binary_view()), "[1]"),
        (arrow([b"[1]", None], pa.binary(3)), "[1]"),
        (arrow(["[1]", None], pa.dictionary(pa.int8(), pa.string())), "[1]"),
        (polars([b'["too long to fit"]', None], pl.Binary), '["too long to fit"]'),
        (polars(["1", None], pl.String), "1"),
        (duck("'[1]'::BLOB"), "[1]"),
        (polars([[1], None], pl.List(pl.Int8)), "[1]"),
    ],
)  # fmt: skip
def test_bytes_and_text_are_json_where_the_author_says_so(data: object, text: str) -> None:
    field = only(data, json_columns=["x"])
    assert (field.type, values_of(field)) == (FieldType.JSON, [text, None])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (arrow([b"x"], pa.binary()), "Arrow type binary, .* name it in json_columns"),
        (arrow([b"x"], pa.large_binary()), "Arrow type large_binary"),
        (polars([b"x"], pl.Binary), "Arrow type binary_view"),
        (arrow([b"x" * 16], pa.uuid()), r"fixed_size_binary \(arrow.uuid\), .* turn it into text"),
        (polars([[b"x"]], pl.List(pl.Binary)), "Arrow type binary_view"),
        (arrow([Decimal("1.10")], pa.decimal64(5, 2)), "Arrow type decimal64, .* cast it"),
        (duck("INTERVAL 1 DAY"), "Arrow type interval_month_day_nano, .* cast it"),
        (polars([1], pl.Int128), "Arrow type _pli128, .* cast it"),
        (
            pa.table({"x": pa.RunEndEncodedArray.from_arrays([2], ["a"])}),
            "Arrow type run_end_encoded, .* decode its runs first",
        ),
        (
            arrow([datetime(2300, 1, 1, tzinfo=UTC)], pa.timestamp("us")),
            "holds 2300-01-01T.* from 1677-09-21",
        ),
        (arrow([date(1500, 1, 1)], pa.date32()), "holds 1500-01-01; expected times from 1677"),
        (duck("'infinity'::TIMESTAMP"), "to 2262-04-11"),
        (arrow(['{"a":'], pa.json_()), "holds .* in row 0, which is not JSON"),
    ],
)
def test_what_no_frame_can_hold_is_refused_by_its_column(data: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"column 'x' .*{complaint}"):
        frame_from(data)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (polars(["[1]", "nope"], pl.String), "'nope' in row 1, which is not JSON"),
        (polars([""], pl.String), "'' in row 0, which is not JSON"),
        (polars([b"\xff"], pl.Binary), "bytes that are not UTF-8"),
        (polars([1], pl.Int64), "declared JSON but of Arrow type int64; expected text or bytes"),
    ],
)
def test_what_is_declared_json_has_to_be_json(data: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"column 'x' .*{complaint}"):
        frame_from(data, json_columns=["x"])


@pytest.mark.parametrize("data", [polars([1], pl.Int64), {"x": [1]}])
def test_a_column_declared_json_has_to_exist(data: object) -> None:
    with pytest.raises(ValueError, match="json_columns names 'y', which is no column; expected some of x"):
        frame_from(data, json_columns=["y"])


def test_where_a_value_is_missing_nothing_of_the_producer_is_left() -> None:
    hidden = [7, 7]
    validity = pa.py_buffer(b"\x01")
    for kind, dtype, nothing in [
        (pa.int64(), "i8", 0),
        (pa.float64(), "f8", 0.0),
        (pa.timestamp("us"), "i8", np.datetime64(0, "ns")),
        (pa.duration("s"), "i8", 0),
    ]:
        array = pa.Array.from_buffers(kind, 2, [validity, pa.py_buffer(np.array(hidden, dtype))])
        assert only(pa.table({"x": array})).values[1] == nothing
    array = pa.Array.from_buffers(
        pa.string(), 2, [validity, pa.py_buffer(np.array([0, 1, 2], "i4")), pa.py_buffer(b"ab")]
    )
    assert only(pa.table({"x": array})).values.tolist() == ["a", ""]


def test_the_first_and_the_last_moment_fit_and_what_is_behind_a_null_does_not_matter() -> None:
    ends = [-(2**63) + 1, 2**63 - 1]
    assert only(arrow(ends, pa.timestamp("ns"))).values.view(np.int64).tolist() == ends
    hidden = pa.Array.from_buffers(
        pa.timestamp("s"), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([2**62, 1]))]
    )
    assert values_of(only(pa.table({"x": hidden}))) == [None, np.datetime64(1_000_000_000, "ns")]
