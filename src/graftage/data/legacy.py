"""Frames as the series and tables of protocol version 1, and back.

Source of the shapes: Grafana 7, pkg/tsdb/frame_util.go and its expressions; of the series' names:
pkg/services/alerting/conditions/query.go `FrameToSeriesSlice`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.labels import labels_text
from graftage.data.long_wide import long_to_wide
from graftage.data.series import Series
from graftage.data.shape import Shape, shape_of
from graftage.data.table import CellKind, Table

_TYPED_SERIES: Final = ("timeseries-wide", "timeseries-multi", "timeseries-many")
_TIME_NAMES: Final = ("time", "date")
_NANOSECONDS: Final = 1_000_000  # in a millisecond
_LAST_MILLISECOND: Final = (2**63 - 1) // _NANOSECONDS


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
    if len(series) and max(-int(series.times.min()), int(series.times.max())) > _LAST_MILLISECOND:
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


def table_to_frame(table: Table, *, ref_id: str = "") -> Frame:
    """A frame with a field for each column of a table; cells that a short row lacks are missing values.

    The kinds of a column's cells decide its type. Numbers under a column named time or date are milliseconds.
    """
    widest = max(int(table.widths.max(initial=0)), len(table.columns))
    names = table.columns + ("",) * (widest - len(table.columns))
    return Frame(tuple(_field(table, index, name) for index, name in enumerate(names)), ref_id=ref_id)


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
    if times and not any(names[index].lower() in _TIME_NAMES for index in times):
        names[times[0]] = _TIME_NAMES[0]
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


def _field(table: Table, index: int, name: str) -> Field:
    rows = np.flatnonzero(table.widths > index)
    cells = (np.cumsum(table.widths) - table.widths)[rows] + index
    kinds = table.kinds[cells]
    valid = np.zeros(len(table), np.bool_)
    valid[rows] = kinds != CellKind.NULL
    column = _Column(table, rows, cells, kinds)
    match frozenset(np.unique(kinds).tolist()) - {CellKind.NULL}:
        case held if held and held <= {CellKind.INT64, CellKind.DOUBLE}:
            dtype = np.int64 if held == {CellKind.INT64} else np.float64
            values: NDArray[Any] = column.spread(CellKind.INT64, table.integers, dtype)
            values += column.spread(CellKind.DOUBLE, table.doubles, dtype)
            if name.lower() in _TIME_NAMES and (moments := _moments(values, valid)) is not None:
                return Field(name, FieldType.TIME, moments, valid & np.isfinite(values))
            return Field(name, FieldType(values.dtype.name), values, valid)
        case held if held == {CellKind.BOOL}:
            return Field(name, FieldType.BOOL, column.spread(CellKind.BOOL, table.bools, np.bool_), valid)
        case _:
            return Field(name, FieldType.STRING, column.texts(), valid)


@dataclass(frozen=True, slots=True)
class _Column:
    """The cells under one column. rows: those that have one. cells: their places in reading order."""

    table: Table
    rows: NDArray[np.intp]
    cells: NDArray[np.intp]
    kinds: NDArray[np.uint8]

    def spread(self, kind: CellKind, contents: NDArray[Any], dtype: type) -> NDArray[Any]:
        """The values of one kind at their rows, and the zero of the type at the others."""
        chosen = self.kinds == kind
        ranks = np.cumsum(self.table.kinds == kind) - 1
        values: NDArray[Any] = np.zeros(len(self.table), dtype)
        values[self.rows[chosen]] = contents[ranks[self.cells[chosen]]]
        return values

    def texts(self) -> NDArray[np.object_]:
        """All values as text, bytes as base64."""
        texts = np.full(len(self.table), "", object)
        contents: Mapping[CellKind, Sequence[Any]] = {
            CellKind.DOUBLE: self.table.doubles.tolist(),
            CellKind.INT64: self.table.integers.tolist(),
            CellKind.BOOL: ["true" if value else "false" for value in self.table.bools.tolist()],
            CellKind.STRING: self.table.texts,
            CellKind.BYTES: [b64encode(blob).decode() for blob in self.table.blobs],
        }
        for kind, values in contents.items():
            chosen = self.kinds == kind
            ranks = np.cumsum(self.table.kinds == kind) - 1
            for row, rank in zip(self.rows[chosen].tolist(), ranks[self.cells[chosen]].tolist(), strict=True):
                texts[row] = str(values[rank])
        return texts


def _moments(milliseconds: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.datetime64] | None:
    """Milliseconds as times; None if one of them lies beyond what a frame's times can hold."""
    known = np.where(valid & np.isfinite(milliseconds), milliseconds, 0)
    if (np.abs(known.astype(np.float64)) > _LAST_MILLISECOND).any():
        return None
    return (known * _NANOSECONDS).astype(np.int64).view("datetime64[ns]")
