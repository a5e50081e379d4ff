"""Frames as hypothesis makes them, and as plain values to compare."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numpy.typing import NDArray

from graftage.data.frame import Field, FieldType, Frame

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LABELS = st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3)
MOMENTS = st.integers(-(2**63) + 1, 2**63 - 1)
# Long enough to need a bitmap of more than one byte.
ROWS = st.integers(0, 20)


def text_array(texts: list[str]) -> NDArray[np.object_]:
    values = np.empty(len(texts), object)
    values[:] = texts
    return values


def compressed(table: pa.Table, codec: str, *, batches: int = 1) -> bytes:
    """An Arrow file. codec: `lz4` or `zstd`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        for _ in range(batches):
            writer.write_table(table)
    return bytes(sink.getvalue())


def elements(kind: FieldType) -> st.SearchStrategy[Any]:
    """Values of a type, the extremes among them."""
    match kind:
        case FieldType.STRING:
            return TEXTS
        case FieldType.JSON:
            return st.sampled_from(["{}", ' {"a" : [1, "<é>"]}', "null", '"x"', "1e3"])
        case FieldType.BOOL:
            return st.booleans()
        case FieldType.TIME:
            return MOMENTS
        case FieldType.FLOAT32:
            return st.floats(width=32)
        case FieldType.FLOAT64:
            return st.floats()
        case _:
            limits = np.iinfo(kind.dtype)
            return st.integers(int(limits.min), int(limits.max))


def column(kind: FieldType, values: list[Any]) -> NDArray[Any]:
    if kind.dtype == object:
        return text_array(values)
    if kind is FieldType.TIME:
        return np.array(values, np.int64).view("M8[ns]")
    return np.array(values, kind.dtype)


@st.composite
def fields(draw: st.DrawFn, kind: FieldType, rows: int) -> Field:
    values = column(kind, draw(st.lists(elements(kind), min_size=rows, max_size=rows)))
    nullable = draw(st.booleans())
    valid = None
    if nullable and draw(st.booleans()):
        valid = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
    config = draw(st.none() | st.just({"unit": "s", "min": 0.5}) | st.just({}))
    return Field(draw(TEXTS), kind, values, valid, draw(LABELS), config, nullable)


@st.composite
def frames(draw: st.DrawFn, *kinds: FieldType) -> Frame:
    rows = draw(ROWS)
    meta = draw(st.none() | st.just({"type": "table", "custom": {"a": [1, None]}}))
    return Frame(tuple(draw(fields(kind, rows)) for kind in kinds), draw(TEXTS), draw(TEXTS), meta)


def plain(field: Field) -> list[Any]:
    """A field's values with None where one is missing; floats and times as their bits, to compare NaN too."""
    values = field.values
    if values.dtype.kind in "fM":
        values = values.view(f"u{values.dtype.itemsize}")
    return [value if valid else None for value, valid in zip(values.tolist(), field.present(), strict=True)]


def seen(frame: Frame) -> tuple[Any, ...]:
    """Everything that a reader has to find again."""
    return (
        frame.name,
        frame.ref_id,
        frame.meta is None,
        [
            (field.name, field.type, field.nullable, field.labels, _json(field.config), plain(field))
            for field in frame.fields
        ],
    )


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
