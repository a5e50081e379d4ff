"""Typed frames: a promise about their shape, by which alert rules and expressions know what they hold.

    timeseries-multi  frames of one time and one value field    numeric-multi  frames of one number
    timeseries-wide   one time field, many value fields         numeric-wide   one row of numbers
    timeseries-long   time, values, texts as dimensions         numeric-long   numbers, texts as dimensions

Without a type Grafana guesses, and refuses long time series.

Source: grafana.com/developers/dataplane, and the readers of grafana/dataplane, sdata: they take only times
that are declared not nullable, and only types with a version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_type import Content, ascends, content_of, kind_of
from graftage.data.intake import frame_from

_TIME_SERIES: Final = ("timeseries-multi", "timeseries-many", "timeseries-wide", "timeseries-long")
_NUMBERS: Final = ("numeric-multi", "numeric-wide", "numeric-long")
_VERSION: Final = [0, 1]
_LOG_FIELDS: Final[Mapping[str, FieldType]] = {
    "timestamp": FieldType.TIME,
    "body": FieldType.STRING,
    "severity": FieldType.STRING,
    "id": FieldType.STRING,
    "labels": FieldType.JSON,
}


def typed(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames of one query with the type that fits all of them, if exactly one does.

    What the author says stays: frames of which one has a type, or says what else it is for, keep their meta;
    only a version that a known type lacks is added. The times of a time series become not nullable.

    Raises ValueError if the author calls a frame a time series and times are missing.
    """
    if not any((frame.meta or {}).get("type") for frame in frames):
        kind = kind_of(frames)
        return tuple(frames) if kind is None else tuple(_as(kind, frame) for frame in frames)
    return tuple(_completed(frame) for frame in frames)


def timeseries(
    data: object,
    *,
    labels: Mapping[str, str] | None = None,
    name: str = "",
    ref_id: str = "",
) -> Frame:
    """A typed time series: a column of times that ascend, columns of numbers or bools, and maybe of texts.

    data: anything that `frame_from` takes, such as a dict of columns. labels: of each value column. Columns
    of texts say instead what each row is about: then times may repeat. Raises ValueError naming what does not
    fit.
    """
    frame = frame_from(data, name=name, ref_id=ref_id)
    content = content_of(frame)
    if len(content.times) != 1 or not content.values:
        raise ValueError(
            f"expected one column of times and at least one of numbers or bools, got {_described(frame)}"
        )
    time = _required(content.times[0])
    if not ascends(time, strictly=not content.texts):
        again = "" if content.texts else ", each once"
        raise ValueError(f"the times of column {time.name!r} do not ascend; sort the rows by time{again}")
    if content.texts:
        kind = "timeseries-long"
    else:
        kind = "timeseries-multi" if len(content.values) == 1 else "timeseries-wide"
    return _as(kind, _labelled(frame, content, labels))


def numeric(
    data: object,
    *,
    labels: Mapping[str, str] | None = None,
    name: str = "",
    ref_id: str = "",
) -> Frame:
    """Typed numbers: one for each column; or rows, which columns of texts tell apart.

    data: a dict of numbers, or anything that `frame_from` takes. labels: of each number. Raises ValueError
    naming what does not fit.
    """
    if isinstance(data, Mapping):
        data = {column: [value] if np.isscalar(value) else value for column, value in data.items()}
    frame = frame_from(data, name=name, ref_id=ref_id)
    content = content_of(frame)
    if not content.numbers or content.bools or content.times or content.others:
        raise ValueError(f"expected columns of numbers, and maybe of texts, got {_described(frame)}")
    if len(frame) > 1 and not content.texts:
        raise ValueError(
            f"expected one number a column, got {len(frame)}; columns of texts would tell the rows apart"
        )
    return _as("numeric-long" if content.texts else "numeric-wide", _labelled(frame, content, labels))


def logs(
    timestamps: object,
    bodies: object,
    *,
    severities: object = None,
    ids: object = None,
    labels: object = None,
    name: str = "",
    ref_id: str = "",
) -> Frame:
    """Lines of a log as Explore shows them: columns of when, what, how bad, and of a key of each line.

    labels: a column of dicts, what each line says about itself. Raises ValueError naming what is missing or
    does not fit.
    """
    columns = {"timestamp": timestamps, "body": bodies, "severity": severities, "id": ids, "labels": labels}
    given = {column: values for column, values in columns.items() if values is not None}
    frame = frame_from(given, name=name, ref_id=ref_id, json_columns=() if labels is None else ["labels"])
    for field in frame.fields:
        if field.type is not _LOG_FIELDS[field.name]:
            raise ValueError(
                f"column {field.name!r} is of {field.type}; expected it to be of {_LOG_FIELDS[field.name]}"
            )
    fields = [_required(field) for field in frame.fields[:2]] + list(frame.fields[2:])
    meta = {"type": "log-lines", "typeVersion": [0, 0], "preferredVisualisationType": "logs"}
    return replace(frame, fields=tuple(fields), meta=meta)


def _as(kind: str, frame: Frame) -> Frame:
    return _completed(replace(frame, meta={**(frame.meta or {}), "type": kind, "typeVersion": _VERSION}))


def _completed(frame: Frame) -> Frame:
    """A frame of a known type with what readers need to believe it."""
    meta = frame.meta or {}
    kind = meta.get("type")
    if kind in _TIME_SERIES + _NUMBERS and "typeVersion" not in meta:
        frame = replace(frame, meta={**meta, "typeVersion": _VERSION})
    if kind in _TIME_SERIES:
        frame = _with_times(frame)
    return frame


def _with_times(frame: Frame) -> Frame:
    """The first field of times is declared not nullable, unless another one is."""
    times = [place for place, field in enumerate(frame.fields) if field.type is FieldType.TIME]
    if not times or any(not frame.fields[place].nullable for place in times):
        return frame
    fields = list(frame.fields)
    fields[times[0]] = _required(fields[times[0]])
    return replace(frame, fields=tuple(fields))


def _required(field: Field) -> Field:
    """The same field, declared not nullable."""
    if not field.present().all():
        raise ValueError(
            f"row {field.present().argmin()} of field {field.name!r} is missing; readers of such frames need "
            "it in each row: leave out the others"
        )
    return replace(field, nullable=False)


def _labelled(frame: Frame, content: Content, labels: Mapping[str, str] | None) -> Frame:
    if labels is None:
        return frame
    if content.texts:
        raise ValueError("labels and columns of texts both say what a row is about; expected one of them")
    fields = [replace(field, labels=labels) if field in content.values else field for field in frame.fields]
    return replace(frame, fields=tuple(fields))


def _described(frame: Frame) -> str:
    return ", ".join(f"{field.name!r} of {field.type}" for field in frame.fields) or "no columns"
