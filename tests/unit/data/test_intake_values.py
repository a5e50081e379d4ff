"""Columns and rows of Python and NumPy values, and Series among them, as frames."""

from __future__ import annotations

import subprocess
import sys
from array import array
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.writer import write_arrow
from graftage.data.columns import field_from_values
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.intake import frame_from

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC).replace(tzinfo=None)


class Level(Enum):
    LOW = 1
    HIGH = 2


class Word(Enum):
    OK = "ok"


class Code(IntEnum):
    A = 7


class Name(StrEnum):
    A = "a"


def summary(frame: Frame) -> list[tuple[str, FieldType, list[object]]]:
    """Names, types and values, with None where one is missing."""
    return [
        (field.name, field.type, np.where(field.present(), field.values, None).tolist())
        for field in frame.fields
    ]


@pytest.mark.parametrize(
    "column",
    [
        [1, 2],
        (1, 2),
        range(1, 3),
        array("q", [1, 2]),
        np.array([1, 2]),
        pl.Series([1, 2]),
        pd.Series([1, 2], index=["a", "b"]),
        pa.array([1, 2]),
        pa.array([0, 1, 2])[1:],
        pa.chunked_array([[1], [2]]),
        pl.DataFrame({"x": [1, 2]})["x"],
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__}",
)
def test_a_column_may_be_of_any_library(column: object) -> None:
    assert summary(frame_from({"x": column})) == [("x", FieldType.INT64, [1, 2])]


def test_a_series_keeps_the_type_that_its_library_gave_it() -> None:
    frame = frame_from(
        {
            "text": pl.Series(["a", None], dtype=pl.Categorical),
            "day": pl.Series([date(2024, 2, 29), None]),
            "money": pa.array([Decimal("1.10"), None]),
            "number": pd.Series([1.5, None]),
        }
    )
    assert [field.type.value for field in frame.fields] == ["string", "time.Time", "float64", "float64"]
    assert all(field.present().tolist() == [True, False] for field in frame.fields)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([Level.LOW, Level.HIGH, None], FieldType.INT64, [1, 2, None]),
        ([Word.OK], FieldType.STRING, ["ok"]),
        ([Code.A], FieldType.INT64, [7]),
        ([Name.A], FieldType.STRING, ["a"]),
        ([Decimal("0.1")], FieldType.FLOAT64, [0.1]),
        ([pd.Timestamp(NOON), pd.NaT], FieldType.TIME, [1709208000 * 10**9, None]),
    ],
)
def test_an_enum_is_its_value_and_nat_is_missing(
    values: list[object], kind: FieldType, expected: list[object]
) -> None:
    assert summary(frame_from({"x": values})) == [("x", kind, expected)]


@pytest.mark.parametrize(
    ("unit", "name"),
    [("ns", "ns"), ("us", "µs"), ("ms", "ms"), ("s", "s"), ("m", "m"), ("h", "h"), ("D", "d")],
)
def test_durations_of_numpy_tell_their_unit(unit: str, name: str) -> None:
    field = field_from_values("x", np.array([5, "NaT"], f"timedelta64[{unit}]"))
    assert (field.type, field.values.tolist(), field.config) == (FieldType.INT64, [5, 0], {"unit": name})
    assert field.present().tolist() == [True, False]


def test_durations_with_gaps_tell_their_unit_as_well() -> None:
    field = field_from_values("x", np.ma.masked_array(np.array([5, 6], "timedelta64[s]"), [False, True]))
    assert (field.config, field.present().tolist()) == ({"unit": "s"}, [True, False])


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([1, 2], "datetime64[us]"), FieldType.TIME),
        (np.array([1, 2], "timedelta64[s]"), FieldType.INT64),
    ],
)
def test_elements_of_arrays_are_what_their_array_is(array: np.ndarray, kind: FieldType) -> None:
    whole, single = field_from_values("x", array), field_from_values("x", [None, *array])
    assert (single.type, single.config) == (kind, whole.config)
    assert single.present().tolist() == [False, True, True]
    assert single.values[1:].tolist() == whole.values.tolist()


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "10D", "15m"])
def test_times_of_numpy_may_have_any_unit(unit: str) -> None:
    field = field_from_values("x", np.array([3], "int64").view(f"datetime64[{unit}]"))
    assert field.values[0] == np.array([3], "int64").view(f"datetime64[{unit}]").astype("datetime64[ns]")[0]


def test_times_far_outside_are_refused_instead_of_wrapped_around() -> None:
    with pytest.raises(ValueError, match=r"column 'x' holds .*; expected times from 1677"):
        field_from_values("x", np.array([2**62], "int64").view("datetime64[s]"))


def test_rows_are_dicts_whose_keys_become_columns() -> None:
    rows = [{"time": NOON, "cpu": 0.5}, {"cpu": 1.5, "host": "a"}]
    assert summary(frame_from(rows)) == [
        ("time", FieldType.TIME, [1709208000 * 10**9, None]),
        ("cpu", FieldType.FLOAT64, [0.5, 1.5]),
        ("host", FieldType.STRING, [None, "a"]),
    ]


def test_a_structured_array_is_a_table() -> None:
    table = np.array([(1, 0.5), (2, 1.5)], [("count", "u1"), ("cpu", "f4")])
    assert summary(frame_from(table)) == [
        ("count", FieldType.UINT8, [1, 2]),
        ("cpu", FieldType.FLOAT32, [0.5, 1.5]),
    ]


def test_a_frame_stays_as_it_is() -> None:
    frame = Frame((Field("x", FieldType.INT8, np.zeros(1, np.int8)),), "load", "A", {"custom": {}})
    again = frame_from(frame)
    assert (again.fields, again.name, again.ref_id, again.meta) == (frame.fields, "load", "A", frame.meta)
    assert (frame_from(frame, name="other").name, frame_from(frame, ref_id="B").ref_id) == ("other", "B")


def test_values_are_sent_as_json_where_the_author_says_so() -> None:
    column = [{"a": [1, float("nan")]}, None, "[true]", b"2", 3.5, [NOON]]
    (field,) = frame_from({"x": column}, json_columns=["x"]).fields
    assert field.type is FieldType.JSON
    assert field.values.tolist() == [
        '{"a":[1,null]}', "", "[true]", "2", "3.5", '["2024-02-29T12:00:00"]',
    ]  # fmt: skip
    assert field.present().tolist() == [True, False, True, True, True, True]
    rows = frame_from([{"x": {"a": 1}}, {}], json_columns=["x"])
    assert rows.fields[0].values.tolist() == ['{"a":1}', ""]


def test_json_with_half_a_character_is_json() -> None:
    (field,) = frame_from({"x": ['"\ud83d"']}, json_columns=["x"]).fields
    assert read_arrow(write_arrow(Frame((field,)))).fields[0].values.tolist() == ['"\ufffd"']


def nested(depth: int) -> list[object]:
    lists: list[object] = []
    for _ in range(depth):
        lists = [lists]
    return lists


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        (["nope"], "holds 'nope' in row 0, which is not JSON"),
        (["[" * 100_000 + "]" * 100_000], "holds .* in row 0, which is not JSON: exceeded max depth"),
        ([nested(100_000)], "holds what JSON cannot say"),
        ([b"\xff"], "is declared JSON but holds bytes that are not UTF-8"),
        ([{"a": object()}], "holds what JSON cannot say"),
        ("[1]", "is str .*; expected a list"),
        (5, "is int 5; expected a list"),
    ],
)
def test_what_is_declared_json_has_to_become_json(column: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"column 'x' {complaint}"):
        frame_from({"x": column}, json_columns=["x"])


@pytest.mark.parametrize("column", [[b"x"], [[1]], [{"a": 1}]])
def test_values_that_only_json_can_say_tell_the_way(column: list[object]) -> None:
    with pytest.raises(ValueError, match=r"column 'x' holds .*sends it as JSON if json_columns names"):
        frame_from({"x": column})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (5, "int is no table; expected a Frame, a data frame"),
        ("text", "str is no table"),
        ([1, 2], "list is no table"),
        ([{"a": 1}, 2], "list is no table"),
        (np.zeros((2, 3)), r"ndarray is no table with the shape \(2, 3\) \(name its columns"),
        (None, "NoneType is no table"),
    ],
)
def test_what_is_no_table_is_refused(data: object, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        frame_from(data)


def test_columns_of_different_lengths_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="column 'b' has 1 values where column 'a' has 2"):
        frame_from({"a": pl.Series([1, 2]), "b": [1]})


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None  # as if it were not installed
import pandas as pd
from graftage.data.intake import frame_from
times = pd.date_range("2024-02-29", periods=2, tz="Europe/Berlin", name="time")
columns = {
    "cpu": [0.5, float("nan")],
    "text": ["a", None],
    "count": pd.array([2**62 + 1, None], "Int64"),
    "kind": pd.Categorical(["x", "y"]),
    "took": pd.to_timedelta([1, None], "s").as_unit("ms"),
    "up": [True, False],
    "seen": pd.to_datetime(["2024-02-29", None]),
}
frames = {
    "index": frame_from(pd.DataFrame(columns, index=times)),
    "counter": frame_from(pd.DataFrame(columns)),
    "json": frame_from(pd.DataFrame({"x": ["[1]"]}), json_columns=["x"]),
    "column": frame_from({"x": pd.Series([1.5, None])}),
    "series": frame_from(pd.Series([1], index=times[:1], name="n")),
}
for name, frame in frames.items():
    for field in frame.fields:
        values = [v if p else None for v, p in zip(field.values.tolist(), field.present())]
        print(name, field.name, field.type.value, field.nullable, values, (field.config or {}).get("unit"))
try:
    frame_from(pd.DataFrame({"x": [1]}), json_columns=["y"])
except ValueError as error:
    print(error)
"""


def test_pandas_needs_no_pyarrow() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW], capture_output=True, text=True, check=True, timeout=20
    )
    columns = [
        "cpu float64 True [0.5, None] None",
        "text string True ['a', None] None",
        f"count int64 True [{2**62 + 1}, None] None",
        "kind string True ['x', 'y'] None",
        "took int64 True [1000, None] ms",
        "up bool True [True, False] None",
        "seen time.Time True [1709164800000000000, None] None",
    ]
    assert run.stdout.splitlines() == [
        "index time time.Time True [1709161200000000000, 1709247600000000000] None",
        *(f"index {column}" for column in columns),
        *(f"counter {column}" for column in columns),
        "json x json.RawMessage True ['[1]'] None",
        "column x float64 True [1.5, None] None",
        "series time time.Time True [1709161200000000000] None",
        "series n int64 True [1] None",
        "json_columns names 'y', which is no column; expected some of x",
    ]
