"""Frames handed to other libraries through the Arrow PyCapsule protocol."""

from __future__ import annotations

import gc
import weakref

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from graftage.data.arrow_c import export
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.intake import frame_from

VALID = np.array([True, False, True])
INTEGERS = [kind for kind in FieldType if kind.is_number]


def texts(*values: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array(values, object)


FRAME = Frame(
    (
        Field("time", FieldType.TIME, np.array([1, 0, 3], "datetime64[ns]"), VALID),
        Field("cpu", FieldType.FLOAT64, np.array([0.5, 0, float("nan")]), VALID),
        Field("up", FieldType.BOOL, np.array([True, False, True])),
        Field("host", FieldType.STRING, texts("a", "", "ö🦆"), VALID),
        Field("tags", FieldType.JSON, texts("{}", "[1]", "null")),
        Field("level", FieldType.ENUM, np.array([0, 1, 2], np.uint16)),
    )
)


def test_polars_pyarrow_duckdb_and_pandas_take_a_frame() -> None:
    rows = [(0.5, True, "a", "{}", 0), (None, False, None, "[1]", 1)]
    names = ["cpu", "up", "host", "tags", "level"]
    assert pl.DataFrame(FRAME).select(names).rows()[:2] == rows
    assert list(zip(*pa.table(FRAME).select(names).to_pydict().values(), strict=True))[:2] == rows
    frame = FRAME
    assert duckdb.connect().sql(f"SELECT {', '.join(names)} FROM frame").fetchall()[:2] == rows
    assert pd.DataFrame.from_arrow(frame)["host"].tolist()[::2] == ["a", "ö🦆"]


def test_types_and_nullability_are_told() -> None:
    assert pa.table(FRAME).schema == pa.schema(
        [
            pa.field("time", pa.timestamp("ns")),
            pa.field("cpu", pa.float64()),
            pa.field("up", pa.bool_(), nullable=False),
            pa.field("host", pa.string()),
            pa.field("tags", pa.string(), nullable=False),
            pa.field("level", pa.uint16(), nullable=False),
        ]
    )


@pytest.mark.parametrize("kind", INTEGERS)
def test_numbers_keep_their_type_and_come_back(kind: FieldType) -> None:
    frame = Frame((Field("x", kind, np.arange(6).astype(kind.dtype)[::2], VALID),))
    (back,) = frame_from(pl.DataFrame(frame)).fields
    assert (back.type, back.values.tolist(), back.present().tolist()) == (kind, [0, 0, 4], VALID.tolist())


def test_a_frame_may_be_empty_in_both_ways() -> None:
    assert pa.table(Frame()).num_columns == 0
    no_rows = Frame(tuple(Field(field.name, field.type, field.values[:0]) for field in FRAME.fields))
    assert pl.DataFrame(no_rows).shape == (0, 6)


def test_numbers_are_shared_until_the_taker_lets_go() -> None:
    numbers = np.arange(1000.0)
    numbers.flags.writeable = False
    gone = weakref.ref(numbers)
    table = pa.table(Frame((Field("x", FieldType.FLOAT64, numbers),)))
    address = numbers.__array_interface__["data"][0]
    assert table["x"].chunk(0).buffers()[1].address == address
    del numbers
    gc.collect()
    assert gone() is not None
    assert table["x"][999].as_py() == 999.0
    del table
    gc.collect()
    assert gone() is None


def test_a_capsule_that_nobody_takes_lets_go_as_well() -> None:
    numbers = np.arange(10.0)
    gone = weakref.ref(numbers)
    capsule = Frame((Field("x", FieldType.FLOAT64, numbers),)).__arrow_c_stream__()
    del numbers, capsule
    gc.collect()
    assert gone() is None


def test_a_requested_schema_is_left_to_the_taker() -> None:
    schema = pa.schema([pa.field("x", pa.float32())])
    frame = Frame((Field("x", FieldType.FLOAT64, np.ones(1)),))
    assert pa.table(frame).cast(schema).schema == schema
    assert frame.__arrow_c_stream__(schema.__arrow_c_schema__()) is not None


def test_half_a_character_is_sent_as_it_is_to_grafana() -> None:
    broken = Frame((Field("host", FieldType.STRING, texts("a\ud83d")),))
    assert pl.DataFrame(broken)["host"].to_list() == ["a\ufffd"]


def test_more_text_than_a_column_of_arrow_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_MOST_BYTES", 5)
    with pytest.raises(ValueError, match="field 'host' holds 7 bytes of text; expected at most 5"):
        pa.table(FRAME)
