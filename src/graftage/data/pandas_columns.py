"""DataFrames and Series of pandas where pyarrow is not installed, without which they have no Arrow to offer.

Nothing of pandas is imported; what its objects can be asked is enough.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graftage.data.columns import field_from_values, frame_of_columns, json_field
from graftage.data.frame import Field, Frame
from graftage.data.json_text import check_declared


def is_pandas(value: object) -> bool:
    """Is it one of pandas' objects? Asked of its type: columns of a DataFrame look like attributes."""
    return type(value).__module__.partition(".")[0] == "pandas"


def frame_from_pandas(table: Any, *, name: str, ref_id: str, json_columns: tuple[str, ...]) -> Frame:
    """Like `frame_from_arrow`: an index that only counts is dropped, another comes first."""
    if type(table.index).__name__ != "RangeIndex":
        table = table.reset_index()
    check_declared(json_columns, [str(column) for column in table.columns])
    fields = [
        field_from_series(str(column), series, json=str(column) in json_columns)
        for column, series in table.items()
    ]
    return frame_of_columns(fields, name=name, ref_id=ref_id)


def field_from_series(name: str, series: Any, *, json: bool = False) -> Field:
    """What pandas takes for missing is missing, NaN included, as it is in its Arrow export."""
    present = ~series.isna().to_numpy()
    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    # Types of pandas' own go through objects: its integers with gaps would come as floats.
    values = series.to_numpy(None if isinstance(series.dtype, np.dtype) else object)
    if values.dtype == object:
        values = [value if there else None for value, there in zip(values, present, strict=True)]
    field = json_field(name, values) if json else field_from_values(name, values)
    return replace(field, valid=None if present.all() else present, nullable=True)
