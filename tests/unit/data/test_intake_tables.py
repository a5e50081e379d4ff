"""Tables of the usual libraries as frames."""

from __future__ import annotations

import gc
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from graftage.data.frame import FieldType, Frame
from graftage.data.intake import frame_from
from support.counted_stream import CountedStream

HOURS = [datetime(2024, 2, 29, hour, tzinfo=UTC).replace(tzinfo=None) for hour in range(3)]
COLUMNS: dict[str, list[Any]] = {
    "time": HOURS,
    "host": ["a", None, "c"],
    "cpu": [0.5, None, -1.5],
    "count": [1, 2, 3],
    "up": [True, False, None],
}
TABLE = pa.table(COLUMNS)


def rows_of(frame: Frame) -> list[tuple[object, ...]]:
    columns = [np.where(field.present(), field.values, None).tolist() for field in frame.fields]
    return list(zip(*columns, strict=True))


LIBRARIES = {
    "pandas": lambda: pd.DataFrame({**COLUMNS, "up": pd.array(COLUMNS["up"], "boolean")}),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "pyarrow": lambda: TABLE,
    "a pyarrow batch": lambda: TABLE.to_batches()[0],
    "duckdb": lambda: duckdb.connect().from_arrow(TABLE),
    "ibis": lambda: ibis.memtable(TABLE),
    "rows": lambda: [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
    "columns": lambda: COLUMNS,
    "a Frame": lambda: frame_from(COLUMNS),
    "a Frame as Arrow": lambda: pa.table(frame_from(COLUMNS)),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_table_is_the_same_frame_from_every_library(library: str) -> None:
    frame = frame_from(LIBRARIES[library](), name="load", ref_id="A")
    assert (frame.name, frame.ref_id) == ("load", "A")
    assert [(field.name, field.type) for field in frame.fields] == [
        ("time", FieldType.TIME),
        ("host", FieldType.STRING),
        ("cpu", FieldType.FLOAT64),
        ("count", FieldType.INT64),
        ("up", FieldType.BOOL),
    ]
    assert rows_of(frame) == rows_of(frame_from(COLUMNS))


def test_batches_are_joined() -> None:
    table = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1, 0), TABLE.slice(1, 2)])
    assert len(table.to_batches()) > 1
    assert rows_of(frame_from(table)) == rows_of(frame_from(TABLE))


def test_dictionaries_may_differ_from_batch_to_batch() -> None:
    column = pa.chunked_array([pa.array([text]).dictionary_encode() for text in ("b", "a")])
    assert frame_from(pa.table({"x": column})).fields[0].values.tolist() == ["b", "a"]


def test_duckdb_sends_many_rows_in_several_batches() -> None:
    rows = 300_000
    query = f"SELECT range AS n, 'host-' || range AS host, range % 7 = 0 AS seventh FROM range({rows})"
    frame = frame_from(duckdb.connect().sql(query))
    number, host, seventh = (field.values for field in frame.fields)
    assert (number == np.arange(rows)).all()
    assert (seventh == (number % 7 == 0)).all()
    assert [host[0], host[123_456], host[-1]] == ["host-0", "host-123456", "host-299999"]


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 99])
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_slice_is_only_its_rows(library: str, start: int) -> None:
    """The slices share the memory of the whole, at an offset that is not that of a byte of bits."""
    columns: dict[str, list[Any]] = {
        "number": [n if n % 3 else None for n in range(100)],
        "flag": [n % 2 == 0 for n in range(100)],
        "text": [f"{'long ' * (n % 5)}{n}" if n % 4 else None for n in range(100)],
        "list": [[n, n + 1] if n % 5 else None for n in range(100)],
        "struct": [{"n": n if n % 2 else None} for n in range(100)],
    }
    whole = pl.DataFrame(columns) if library == "polars" else pa.table(columns)
    expected = rows_of(frame_from(pl.DataFrame({name: v[start : start + 9] for name, v in columns.items()})))
    assert rows_of(frame_from(whole.slice(start, 9))) == expected


def test_a_sliced_array_of_structs_is_a_table() -> None:
    structs = pa.array([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])
    assert rows_of(frame_from(structs[1:])) == [(2, "y")]


@pytest.mark.parametrize(
    "data", [pl.DataFrame(COLUMNS)[:0], TABLE[:0], TABLE.to_reader(), LIBRARIES["pandas"]()[:0]]
)
def test_a_table_may_have_no_rows(data: Any) -> None:
    if isinstance(data, pa.RecordBatchReader):
        data.read_all()  # nothing is left, not even a batch
    frame = frame_from(data)
    assert ([field.name for field in frame.fields], len(frame)) == (list(COLUMNS), 0)
    assert [field.type for field in frame.fields[:2]] == [FieldType.TIME, FieldType.STRING]


@pytest.mark.parametrize("data", [pl.DataFrame(), pa.table({}), pd.DataFrame(), {}, []])
def test_a_table_may_have_no_columns(data: object) -> None:
    assert frame_from(data).fields == ()


def test_a_column_is_nullable_unless_the_producer_says_otherwise() -> None:
    schema = pa.schema([pa.field("never", pa.int64(), nullable=False), pa.field("maybe", pa.int64())])
    frame = frame_from(pa.table({"never": [1], "maybe": [1]}, schema=schema))
    assert [(field.nullable, field.valid) for field in frame.fields] == [(False, None), (True, None)]


def test_a_producer_that_has_missing_values_all_the_same_is_not_believed() -> None:
    schema = pa.schema([pa.field("never", pa.int64(), nullable=False)])
    (field,) = frame_from(pa.Table.from_arrays([pa.array([1, None])], schema=schema)).fields
    assert (field.nullable, field.present().tolist()) == (True, [True, False])


def test_names_may_be_empty_and_may_repeat() -> None:
    frame = frame_from(pa.Table.from_arrays([[1], [2], [3]], names=["", "a", "a"]))
    assert [field.name for field in frame.fields] == ["", "a", "a"]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (None, ["cpu"]),
        (pd.RangeIndex(5, 9, 2), ["cpu"]),
        (pd.DatetimeIndex(HOURS[:2]), ["index", "cpu"]),
        (pd.DatetimeIndex(HOURS[:2], name="time"), ["time", "cpu"]),
        (pd.Index(["a", "b"], name="cpu"), ["cpu", "cpu"]),
        (pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), ["level_0", "level_1", "cpu"]),
        (pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["host", "core"]), ["host", "core", "cpu"]),
    ],
)
def test_an_index_of_pandas_comes_first_unless_it_only_counts(index: Any, expected: list[str]) -> None:
    frame = frame_from(pd.DataFrame({"cpu": [0.5, 1.5]}, index=index))
    assert [field.name for field in frame.fields] == expected
    assert frame.fields[-1].values.tolist() == [0.5, 1.5]


def test_what_others_keep_under_the_key_of_pandas_is_no_index() -> None:
    for written in (b"not JSON", b"[1]", b'{"index_columns": ["nobody"], "columns": []}'):
        frame = frame_from(pa.table({"x": [1]}).replace_schema_metadata({b"pandas": written}))
        assert [field.name for field in frame.fields] == ["x"]


@pytest.mark.parametrize(
    ("series", "names"),
    [
        (pd.Series([0.5], name="cpu"), ["cpu"]),
        (pd.Series([0.5], index=pd.DatetimeIndex(HOURS[:1], name="time")), ["time", "value"]),
        (pl.Series("cpu", [0.5]), ["cpu"]),
        (pl.Series([0.5]), ["value"]),
    ],
)
def test_a_series_is_a_table_of_one_column(series: object, names: list[str]) -> None:
    frame = frame_from(series)
    assert [field.name for field in frame.fields] == names
    assert frame.fields[-1].values.tolist() == [0.5]


def test_the_frame_is_a_copy() -> None:
    numbers = np.arange(3.0)
    frame = frame_from(pa.table({"x": pa.array(numbers)}))
    numbers[0] = 99
    assert frame.fields[0].values.tolist() == [0.0, 1.0, 2.0]
    frame.fields[0].values[0] = 7  # it is nobody else's memory


def test_a_stream_is_read_once_and_released_before_the_frame_is_there() -> None:
    stream = CountedStream([1, 2], [], [3])
    frame = frame_from(stream)
    assert frame.fields[0].values.tolist() == [1, 2, 3]
    assert stream.opened == 1
    assert stream.unreleased == {"schema": 0, "array": 0, "stream": 0}


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (CountedStream([1, 2], fails=True), "the disk is gone"),
        (CountedStream([1, 2], column_format=b"z"), "Arrow type binary"),
        (CountedStream([1], [2**62], column_format=b"tss:"), "expected times from"),
    ],
)
def test_a_stream_is_released_when_reading_fails(stream: CountedStream, complaint: str) -> None:
    try:
        frame_from(stream)
    except (ValueError, RuntimeError) as error:
        assert complaint in str(error)  # noqa: PT017 - pytest.raises would keep the traceback, and its arrays
    else:
        pytest.fail("nothing was raised")
    gc.collect()
    assert stream.unreleased == {"schema": 0, "array": 0, "stream": 0}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (pa.array([1]), 'Int64Array is a single column; .* {"value": column}'),
        (pa.array([{"a": 1}, None]), "rows that are null as a whole"),
    ],
)
def test_an_array_that_is_no_table_is_refused(data: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        frame_from(data)


def test_a_lazy_frame_has_to_be_collected() -> None:
    with pytest.raises(
        TypeError, match=r"LazyFrame is no table \(call its \.collect\(\) first\); expected a Frame"
    ):
        frame_from(pl.LazyFrame({"x": [1]}))


PACKAGES = "{name.partition('.')[0] for name in sys.modules}"


@pytest.mark.parametrize(
    ("data", "imported"),
    [
        ("{'x': [1]}", set()),
        ("pandas.DataFrame({'x': ['a']})", {"nanoarrow"}),
        ("polars.DataFrame({'x': ['a']})", {"nanoarrow"}),
        ("duckdb.sql('select 1 as x')", {"nanoarrow"}),
        ("pyarrow.table({'x': ['a']})", {"nanoarrow"}),
    ],
)
def test_a_data_frame_loads_nanoarrow_and_no_library_that_its_author_did_not(
    data: str, imported: set[str]
) -> None:
    library = data.partition(".")[0] if "." in data else "array"
    code = f"""
import sys, {library}
from graftage.data.intake import frame_from
data = {data}
before = {PACKAGES}
frame_from(data)
print(*({PACKAGES} - before) & {{"pandas", "polars", "pyarrow", "duckdb", "ibis", "nanoarrow"}})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == imported


def test_durations_of_pandas_and_numpy_agree() -> None:
    durations = pd.Series([timedelta(seconds=1)], dtype="timedelta64[ms]")
    (ours,), (theirs,) = (frame_from(data).fields for data in ({"x": durations.to_numpy()}, {"x": durations}))
    assert (
        (ours.values.tolist(), ours.config)
        == (theirs.values.tolist(), theirs.config)
        == ([1000], {"unit": "ms"})
    )
