"""Frames as the series and tables of protocol version 1, and back.

Source of the shapes: Grafana 7, pkg/tsdb/frame_util.go and its expressions; of the series' names:
pkg/services/alerting/conditions/query.go `FrameToSeriesSlice`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.columns import field_from_values
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.labels import labels_text
from graftage.data.series import Series
from graftage.data.table import CellKind, Table

_TYPED_SERIES: Final = ("timeseries-wide", "timeseries-multi", "timeseries-many")
_TIME_NAMES: Final = ("time", "date")
_NANOSECONDS: Final = 1_000_000  # in a millisecond
_LAST_MILLISECOND: Final = (2**63 - 1) // _NANOSECONDS


def frame_to_legacy(frame: Frame) -> tuple[tuple[Series, ...], tuple[Table, ...]]:
    """What a host of version 1 is sent for a frame: series if it is a wide time series, else one table.

    Points without a value or a time are left out, NaN stays. A frame without fields is nothing at all.
    """
    if not frame.fields:
        return (), ()
    time = next((field for field in frame.fields if field.type is FieldType.TIME), None)
    values = _value_fields(frame)
    if time is None or not values:
        return (), (_table(frame),)
    return tuple(_series(frame, time, field) for field in values), ()


def series_to_frame(series: Series, *, ref_id: str = "") -> Frame:
    """A frame named like the series, of `time` and `value`. Raises ValueError for times that nanoseconds cannot hold."""
    if len(series) and max(-int(series.times.min()), int(series.times.max())) > _LAST_MILLISECOND:
        raise ValueError(f"series {series.name!r} has times beyond the years 1677 to 2262, which frames cannot hold")
    times = series.times.astype("datetime64[ms]").astype("datetime64[ns]")
    labels = dict(series.labels) or None
    fields = (
        Field("time", FieldType.TIME, times),
        Field("value", FieldType.FLOAT64, series.values, labels=labels),
    )
    return Frame(fields, series.name, ref_id)


def table_to_frame(table: Table, *, ref_id: str = "") -> Frame:
    """A frame with a field for each column of a table; cells that a short row lacks are missing values."""
    widest = max(int(table.widths.max(initial=0)), len(table.columns))
    names = table.columns + ("",) * (widest - len(table.columns))
    rows = list(table.rows())
    columns = ([row[index] if index < len(row) else None for row in rows] for index in range(widest))
    return Frame(tuple(_field(name, column) for name, column in zip(names, columns, strict=True)), ref_id=ref_id)
