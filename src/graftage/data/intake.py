"""Whatever an author has, as a frame: a data frame of any library, columns, or rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graftage.data.columns import field_from_values, frame_of_columns, json_field
from graftage.data.frame import Field, Frame
from graftage.data.json_text import check_declared
from graftage.data.pandas_columns import field_from_series, frame_from_pandas, is_pandas

# How libraries hand over tables and columns. Source: Apache Arrow, "The Arrow PyCapsule Interface".
_ARROW_METHODS = ("__arrow_c_stream__", "__arrow_c_array__")
ACCEPTED = (
    "a Frame, a data frame (pandas, polars, pyarrow, DuckDB, or any with __arrow_c_stream__), a dict of "
    "columns, a list of dicts that are rows, or a structured NumPy array"
)


def frame_from(
    data: object, *, name: str = "", ref_id: str = "", json_columns: Collection[str] = ()
) -> Frame:
    """A frame of the data; a Frame stays as it is.

    A Series is a table of one column. json_columns: names of columns whose text or bytes are JSON, or whose
    lists and dicts are to be sent as JSON. name, ref_id: "" keeps those of a Frame. Raises ValueError naming
    the column that no frame can hold, and TypeError for what is no table at all.
    """
    if isinstance(data, Frame):
        return replace(data, name=name or data.name, ref_id=ref_id or data.ref_id)
    if is_arrow(data):
        return _frame_from_library(data, name, ref_id, tuple(json_columns))
    columns = _columns_of(data)
    check_declared(json_columns, [str(column) for column in columns])
    fields = [
        _field_from(str(column), values, json=str(column) in json_columns)
        for column, values in columns.items()
    ]
    return frame_of_columns(fields, name=name, ref_id=ref_id)


def is_arrow(data: object) -> bool:
    """Can it hand itself over as Arrow? Asked of its type: columns of a data frame look like attributes."""
    return any(hasattr(type(data), method) for method in _ARROW_METHODS)


def _frame_from_library(data: Any, name: str, ref_id: str, json_columns: tuple[str, ...]) -> Frame:
    from graftage.data.arrow_c.table import frame_from_arrow

    if hasattr(type(data), "to_frame"):
        # A Series, with the index that pandas has beside its values.
        data = data.to_frame("value" if data.name in {None, ""} else data.name)
    try:
        return frame_from_arrow(data, name=name, ref_id=ref_id, json_columns=json_columns)
    except ImportError:
        if not is_pandas(data):
            raise
        return frame_from_pandas(data, name=name, ref_id=ref_id, json_columns=json_columns)


def _field_from(name: str, values: object, *, json: bool) -> Field:
    if not is_arrow(values):
        return json_field(name, values) if json else field_from_values(name, values)
    from graftage.data.arrow_c.table import field_from_arrow

    try:
        return field_from_arrow(name, values, json=json)
    except ImportError:
        if not is_pandas(values):
            raise
        return field_from_series(name, values, json=json)


def _columns_of(data: object) -> Mapping[Any, object]:
    match data:
        case Mapping():
            return data
        case np.ndarray() if data.dtype.names is not None and data.ndim == 1:
            return {column: data[column] for column in data.dtype.names}
        case list() | tuple() if all(isinstance(row, Mapping) for row in data):
            return _columns_of_rows(data)
        case _:
            raise TypeError(f"{type(data).__name__} is no table{_way_out(data)}; expected {ACCEPTED}")


def _columns_of_rows(rows: Sequence[Mapping[Any, object]]) -> dict[Any, list[object]]:
    """Columns in the order in which the rows first name them; what a row lacks is missing."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _way_out(data: object) -> str:
    match data:
        case np.ndarray():
            return f" with the shape {data.shape} (name its columns: {{'a': array[:, 0], ...}})"
        case _ if hasattr(type(data), "collect"):
            return " (call its .collect() first)"
        case _:
            return ""
