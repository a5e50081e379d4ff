"""Frames as the series and tables of protocol version 1, and series as frames.

Source of the shapes: Grafana 7, pkg/tsdb/frame_util.go and its expressions; of the series' names:
pkg/services/alerting/conditions/query.go `FrameToSeriesSlice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.labels import labels_text
from graftage.data.long_wide import long_to_wide
from graftage.data.moments import LAST_MILLISECOND, NANOSECONDS
from graftage.data.series import Series
from graftage.data.shape import Shape, shape_of
from graftage.data.table import TIME_NAMES, CellKind, Table

_TYPED_SERIES: Final = ("timeseries-wide", "timeseries-multi", "timeseries-many")
_NANOSECONDS: Final = NANOSECONDS["ms"]


def frame_to_legacy(frame: Frame) -> tuple[tuple[Series, ...], tuple[Table, ...]]:
    """What a host of version 1 is sent for a frame: series if it is a time series, else one table.

    Long time series are such only with a type that says so. Points without a value or a time are left out,
    NaN stays. A frame without fields is nothing at all.
    """
    if (frame.meta or {}).get("type") == "timeseries-long" and shape_of(frame) is Shape.LONG:
        frame = _as_wide(frame)
    if not frame.fields:
        return (), ()
    time = next((field for field in frame.fields if field.type is FieldType.TIME), None)
    values = _value_fields(frame)
    if time is None or not values:
        return (), (_table(frame),)
    return tuple(_series(frame, time, field) for field in values), ()


def series_to_frame(series: Series, *, ref_id: str = "") -> Frame:
    """A frame of `time` and `value`, both nullable, named like the series.

    Raises ValueError for times that nanoseconds cannot hold.
    """
    if len(series) and max(-int(series.times.min()), int(series.times.max())) > LAST_MILLISECOND:
        raise ValueError(
            f"series {series.name!r} has times beyond the years 1677 to 2262, which frames cannot hold"
        )
    times = series.times.astype("datetime64[ms]").astype("datetime64[ns]")
    labels = dict(series.labels) or None
    fields = (
        Field("time", FieldType.TIME, times, nullable=True),
        Field("value", FieldType.FLOAT64, series.values, labels=labels, nullable=True),
    )
    return Frame(fields, series.name, ref_id)


def _value_fields(frame: Frame) -> list[Field]:
    """The fields that are series of their own; none if the frame is no wide time series."""
    typed = (frame.meta or {}).get("type") in _TYPED_SERIES
    rest = [field for field in frame.fields if field.type is not FieldType.TIME]
    if typed:  # texts beside a typed time series are extras, and bools count
        return [field for field in rest if field.type.is_number or field.type is FieldType.BOOL]
    return rest if all(field.type.is_number for field in rest) else []


def _as_wide(frame: Frame) -> Frame:
    """A long time series as a wide one, whatever the order of its rows; without any it has no fields."""
    time = next(field for field in frame.fields if field.type is FieldType.TIME)
    known = np.flatnonzero(time.present())
    rows = known[np.argsort(time.values[known], kind="stable")]
    if not len(rows):
        return Frame()
    fields = (
        replace(field, values=field.values[rows], valid=None if field.valid is None else field.valid[rows])
        for field in frame.fields
    )
    return long_to_wide(replace(frame, fields=tuple(fields)))


def _series(frame: Frame, time: Field, field: Field) -> Series:
    kept = time.present() & field.present()
    milliseconds = time.values[kept].view(np.int64) // _NANOSECONDS
    values = field.values[kept].astype(np.float64)
    values[np.isinf(values)] = np.nan  # the JSON of those servers has no infinities, and NaN is a gap
    return Series(_series_name(frame, field), milliseconds, values, field.labels or {})


def _series_name(frame: Frame, field: Field) -> str:
    config = field.config or {}
    for key in ("displayName", "displayNameFromDS"):
        if isinstance(name := config.get(key), str) and name:
            return name
    name = field.name or frame.name
    return f"{name} {{{labels_text(field.labels)}}}" if field.labels else name


def _table(frame: Frame) -> Table:
    kinds = np.empty((len(frame), len(frame.fields)), np.uint8)
    contents: dict[CellKind, list[tuple[int, NDArray[Any]]]] = {kind: [] for kind in CellKind}
    for index, field in enumerate(frame.fields):
        kind, values = _cells(field)
        present = field.present()
        if kind is CellKind.DOUBLE:  # one NaN in a table, and those servers fail to write their answer
            present = present & np.isfinite(values)
        kinds[:, index] = np.where(present, kind, CellKind.NULL)
        contents[kind].append((index, values))
    return Table(
        _column_names(frame),
        np.full(len(frame), len(frame.fields), np.int64),
        kinds.reshape(-1),
        _by_row(kinds, contents, CellKind.DOUBLE, np.float64),
        _by_row(kinds, contents, CellKind.INT64, np.int64),
        _by_row(kinds, contents, CellKind.BOOL, np.bool_),
        _by_row(kinds, contents, CellKind.STRING, object).tolist(),
    )


def _column_names(frame: Frame) -> tuple[str, ...]:
    """The fields' names; the first field of times is named so that a reader takes it for one."""
    times = [index for index, field in enumerate(frame.fields) if field.type is FieldType.TIME]
    names = [field.name for field in frame.fields]
    if times and not any(names[index].lower() in TIME_NAMES for index in times):
        names[times[0]] = TIME_NAMES[0]
    return tuple(names)


def _cells(field: Field) -> tuple[CellKind, NDArray[Any]]:
    match field.type:
        case FieldType.TIME:
            return CellKind.INT64, field.values.view(np.int64) // _NANOSECONDS
        case FieldType.BOOL:
            return CellKind.BOOL, field.values
        case FieldType.STRING | FieldType.JSON:
            return CellKind.STRING, field.values
        case FieldType.ENUM:
            return CellKind.STRING, _enum_texts(field)
        case FieldType.FLOAT64 | FieldType.FLOAT32:
            return CellKind.DOUBLE, field.values
        case FieldType.UINT64 if (field.values > np.uint64(2**63 - 1)).any():
            return CellKind.DOUBLE, field.values
        case _:
            return CellKind.INT64, field.values


def _enum_texts(field: Field) -> NDArray[np.object_]:
    """The texts that an enum's values stand for; the number itself where the settings name none."""
    match field.config:
        case {"type": {"enum": {"text": [*names]}}}:
            texts = [str(name) for name in names]
        case _:
            texts = []
    largest = int(field.values.max(initial=0))
    texts += [str(index) for index in range(len(texts), largest + 1)]
    chosen: NDArray[np.object_] = np.array(texts, object)[field.values]
    return chosen


def _by_row(
    kinds: NDArray[np.uint8],
    contents: Mapping[CellKind, list[tuple[int, NDArray[Any]]]],
    kind: CellKind,
    dtype: type,
) -> NDArray[Any]:
    """The values of one kind in reading order."""
    columns = contents[kind]
    cells: NDArray[Any] = np.empty((len(kinds), len(columns)), dtype)
    for place, (_, values) in enumerate(columns):
        cells[:, place] = values
    present: NDArray[np.bool_] = kinds[:, [index for index, _ in columns]] == kind
    return cells[present]
