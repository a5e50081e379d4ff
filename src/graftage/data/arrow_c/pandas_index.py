"""The index of a pandas DataFrame, which comes as a column behind the others.

Source: pandas, "Storing pandas DataFrame objects in Apache Parquet format"; its `DataFrame.reset_index`,
after which an index without a name is called here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from graftage.data.arrow_c.structs import ArrowSchema
from graftage.data.frame import Field


class _Column(msgspec.Struct):
    """What pandas wrote down about one column."""

    field_name: str | None
    name: object = None


class _Notes(msgspec.Struct):
    """What pandas wrote down about the table. Of an index that only counts there is no column to name."""

    index_columns: list[object]
    columns: list[_Column]


def with_index_first(fields: Sequence[Field], schema: ArrowSchema) -> tuple[Field, ...]:
    """The fields, beginning with those of the index, under its names."""
    names = _index_names(schema)
    index = [replace(field, name=names[field.name]) for field in fields if field.name in names]
    return (*index, *(field for field in fields if field.name not in names))


def _index_names(schema: ArrowSchema) -> dict[str, str]:
    """By the name of its column what each level of the index is called."""
    written = dict(schema.metadata.items() if schema.metadata else ()).get(b"pandas")
    if written is None:
        return {}
    try:
        notes = msgspec.json.decode(written, type=_Notes)
    except msgspec.DecodeError:
        return {}  # somebody else's key
    columns = [column for column in notes.index_columns if isinstance(column, str)]
    given = {column.field_name: column.name for column in notes.columns}
    return {column: _level_name(given.get(column), level, columns) for level, column in enumerate(columns)}


def _level_name(given: object, level: int, levels: Sequence[object]) -> str:
    if given is not None:
        return str(given)
    return "index" if len(levels) == 1 else f"level_{level}"
