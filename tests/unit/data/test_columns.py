"""Columns of Python values as fields."""

from __future__ import annotations

from array import array
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from graftage.data.columns import field_from_values
from graftage.data.frame import FieldType
from graftage.data.intake import frame_from

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], FieldType.INT64, [1, 2]),
        (range(3), FieldType.INT64, [0, 1, 2]),
        ((1, 2.5), FieldType.FLOAT64, [1.0, 2.5]),
        ([Decimal("1.5"), 2], FieldType.FLOAT64, [1.5, 2.0]),
        ([2**63, 0], FieldType.UINT64, [2**63, 0]),
        ([True, False], FieldType.BOOL, [True, False]),
        (["a", ""], FieldType.STRING, ["a", ""]),
        ([np.float32(0.5), 1], FieldType.FLOAT64, [0.5, 1.0]),
        ([np.int8(3)], FieldType.INT64, [3]),
        (array("d", [1, 2]), FieldType.FLOAT64, [1.0, 2.0]),
        (array("h", [1, 2]), FieldType.INT16, [1, 2]),
        (np.array([1, 2], np.uint8), FieldType.UINT8, [1, 2]),
        (np.array([1, 2], ">i4"), FieldType.INT32, [1, 2]),
        (np.array([0.5], np.float16), FieldType.FLOAT32, [0.5]),
        (np.array(["a", "b"]), FieldType.STRING, ["a", "b"]),
        (np.array([True]), FieldType.BOOL, [True]),
        (np.array(["2024-02-29T12:00"], "datetime64[m]"), FieldType.TIME, [np.datetime64(NOON, "ns")]),
        ((text for text in "ab"), FieldType.STRING, ["a", "b"]),
        ({"a": 1}.values(), FieldType.INT64, [1]),
    ],
)
def test_a_column_gets_the_type_of_its_values(
    values: object, kind: FieldType, expected: list[object]
) -> None:
    field = field_from_values("x", values)
    assert (field.type, list(field.values), field.valid) == (kind, expected, None)


def test_durations_count_microseconds_and_say_so() -> None:
    field = field_from_values("took", [timedelta(seconds=1.5), None, timedelta(microseconds=-1)])
    assert (field.type, field.values.tolist(), field.config) == (
        FieldType.INT64,
        [1_500_000, 0, -1],
        {"unit": "µs"},
    )
    assert field.present().tolist() == [True, False, True]


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON.replace(tzinfo=UTC),
        NOON.replace(hour=14, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_datetime_without_a_zone_is_in_utc(moment: datetime) -> None:
    assert field_from_values("x", [moment]).values[0] == np.datetime64(NOON, "ns")


def test_a_date_is_its_first_moment_in_utc() -> None:
    assert field_from_values("x", [date(2024, 2, 29)]).values[0] == np.datetime64("2024-02-29", "ns")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, 1.5], FieldType.FLOAT64),
        ([None, 1], FieldType.INT64),
        ([None, True], FieldType.BOOL),
        ([None, "a"], FieldType.STRING),
        ([None, NOON], FieldType.TIME),
        ([None, NOON.replace(tzinfo=UTC)], FieldType.TIME),
        (np.array(["NaT", "2024-02-29"], "datetime64[s]"), FieldType.TIME),
        (np.ma.masked_array([1, 2], [True, False]), FieldType.INT64),
        (np.ma.masked_array([1, 2], [True, False], dtype=object), FieldType.INT64),
    ],
)
def test_none_is_a_missing_value(values: object, kind: FieldType) -> None:
    field = field_from_values("x", values)
    assert field.type is kind
    assert field.valid is not None
    assert field.valid.tolist() == [False, True]


def test_nan_is_a_value_and_a_column_of_nothing_is_text() -> None:
    assert field_from_values("x", [float("nan")]).valid is None
    nothing = field_from_values("x", [None])
    assert (nothing.type, nothing.present().tolist()) == (FieldType.STRING, [False])
    assert field_from_values("x", []).type is FieldType.STRING


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (5, "is int 5; expected a list"),
        ("text", "is str 'text'; expected a list"),
        ({"a": 1}, "is dict"),
        ({1, 2}, "is set"),
        ([1, "a"], "mixes integers .1. and text"),
        ([1.5, True], "mixes numbers .1.5. and bools"),
        ([NOON, NOON.replace(tzinfo=UTC)], "with and without a time zone"),
        ([[1], [2]], "holds list"),
        ([b"x"], "holds bytes"),
        ([timedelta(1), 1], "mixes durations .* and integers"),
        ([timedelta.max], "holds durations .*expected them to fit in int64 as microseconds"),
        (np.zeros((2, 2)), r"shape \(2, 2\)"),
        (np.zeros(2, complex), "array of complex128"),
        (np.zeros(2, "timedelta64[M]"), "array of timedelta64.*expected timedelta64 of ns"),
        ([2**64], "fit in int64 or uint64"),
        ([-1, 2**63], "fit in int64 or uint64"),
        ([0.5, 10**400], "a number that is no float64: int too large"),
        ([Decimal("sNaN")], "a number that is no float64"),
        ([datetime(1500, 1, 1, tzinfo=UTC)], "expected times from 1677"),
        (np.array(["3000-01-01"], "datetime64[s]"), "expected times from 1677"),
    ],
)
def test_what_cannot_be_a_column_is_named(values: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"column 'x' .*{complaint}"):
        field_from_values("x", values)


def test_columns_become_fields_in_their_order() -> None:
    frame = frame_from({"time": [NOON], "cpu": np.array([0.5])}, name="load", ref_id="A")
    assert [field.name for field in frame.fields] == ["time", "cpu"]
    assert (frame.name, frame.ref_id, len(frame)) == ("load", "A", 1)


def test_columns_of_different_lengths_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="column 'cpu' has 1 values where column 'time' has 2"):
        frame_from({"time": [1, 2], "cpu": [1]})
