"""Tables, and single columns, of any library as frames and fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

import nanoarrow
import numpy as np
from numpy.typing import NDArray

from graftage.data.arrow_c.chunk import Chunk
from graftage.data.arrow_c.nested import column_reading
from graftage.data.arrow_c.pandas_index import with_index_first
from graftage.data.arrow_c.reading import Reading
from graftage.data.arrow_c.structs import ArrowArray, ArrowSchema
from graftage.data.frame import Field, Frame
from graftage.data.json_text import check_declared

_STRUCT: Final = "+s"
_NULLABLE: Final = 2  # a flag of a schema


def frame_from_arrow(
    table: object, *, name: str = "", ref_id: str = "", json_columns: Collection[str] = ()
) -> Frame:
    """A frame of what an object with `__arrow_c_stream__` or `__arrow_c_array__` holds, its batches joined.

    Everything is copied, and the table's memory given back, before it returns. json_columns: names of columns
    of text or bytes that hold JSON. Raises ValueError naming the column that no frame can hold.
    """
    with nanoarrow.c_array_stream(table) as stream:
        schema: ArrowSchema = stream.get_schema()
        if schema.format != _STRUCT:
            raise ValueError(
                f"{type(table).__name__} is a single column; expected a table. Give it a name: "
                '{"value": column}'
            )
        columns = [schema.child(index) for index in range(schema.n_children)]
        check_declared(json_columns, [column.name for column in columns])
        readings = [column_reading(item.name, item, json=item.name in json_columns) for item in columns]
        parts = _read(readings, stream, _of_table)
    fields = [_field(*column) for column in zip(columns, readings, parts, strict=True)]
    return Frame(with_index_first(fields, schema), name, ref_id)


def field_from_arrow(name: str, column: object, *, json: bool = False) -> Field:
    """A field of what one column holds, such as a Series. Otherwise like `frame_from_arrow`."""
    with nanoarrow.c_array_stream(column) as stream:
        schema: ArrowSchema = stream.get_schema()
        reading = column_reading(name, schema, json=json)
        (parts,) = _read([reading], stream, lambda array: [Chunk.whole(array)])
    return _field(schema, reading, parts, name=name)


Part = tuple[NDArray[Any], NDArray[np.bool_] | None]  # values, and where they are present


def _read(
    readings: Sequence[Reading], arrays: Iterator[ArrowArray], columns: Callable[[ArrowArray], list[Chunk]]
) -> list[list[Part]]:
    """For each column what each array adds to it; one array at a time is in memory twice."""
    parts: list[list[Part]] = [[] for _ in readings]
    for array in arrays:
        for column, reading, chunk in zip(parts, readings, columns(array), strict=True):
            column.append(_part(reading, chunk))
    return parts


def _of_table(array: ArrowArray) -> list[Chunk]:
    rows = Chunk.whole(array)
    if rows.valid() is not None:
        raise ValueError("the table has rows that are null as a whole; drop them first")
    return [rows.child(index) for index in range(array.schema.n_children)]


def _part(reading: Reading, chunk: Chunk) -> Part:
    values, valid = reading.values(chunk), reading.valid(chunk)
    if not values.flags.writeable:  # a view of memory that ends with the array
        values = values.copy()
    if valid is not None:
        values[~valid] = "" if values.dtype == object else np.zeros((), values.dtype)
    return values, valid


def _field(schema: ArrowSchema, reading: Reading, parts: list[Part], *, name: str | None = None) -> Field:
    values, valid = _joined(parts, reading)
    return Field(
        schema.name if name is None else name,
        reading.type,
        values,
        valid,
        config={"unit": reading.unit} if reading.unit else None,
        nullable=bool(schema.flags & _NULLABLE) or valid is not None,
    )


def _joined(parts: list[Part], reading: Reading) -> Part:
    match parts:
        case []:
            return np.zeros(0, reading.type.dtype), None
        case [part]:
            return part
    values = np.concatenate([values for values, _ in parts])
    if all(valid is None for _, valid in parts):
        return values, None
    return values, np.concatenate([_present(*part) for part in parts])


def _present(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return np.ones(len(values), np.bool_) if valid is None else valid
