"""Long time series as wide ones, and back.

    long                       wide
    time  host  cpu            time  cpu {host=a}  cpu {host=b}
    1     a     0.2            1     0.2           0.1
    1     b     0.1            2     0.4           -
    2     a     0.4

There and back is not the same frame: a wide one has a cell for each time and each set of labels.

Source: grafana-plugin-sdk-go, data/time_series.go (`LongToWide`, `WideToLong`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from graftage.data.canonical_json import write_json
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.shape import Shape, parts_of

Fill = Literal["null", "previous", "none"] | float

_VERSION: Final = [0, 1]


def long_to_wide(frame: Frame, fill: Fill = "null") -> Frame:
    """A field for each value field and combination of factors, sorted by name, then by the factors' values.

    fill: what stands where the long frame says nothing. `null`: a missing value; `previous`: what stood
    there before; a number: that, in fields of numbers; `none`: zero, or a missing value if the field is
    nullable. Of several rows of one time and combination the last one counts. Settings of the fields and the
    ref id are not carried over.

    Raises ValueError if the frame is not long, has no rows, or has times that are missing or do not ascend.
    """
    parts = parts_of(frame)
    if parts.shape is not Shape.LONG or parts.time is None:
        raise ValueError(f"frame {frame.name!r} is expected to be a long time series; it is {parts.shape}")
    times = _times(frame, parts.time)
    steps = np.diff(times)
    if (steps < np.timedelta64(0)).any():
        raise ValueError(f"the times of frame {frame.name!r} do not ascend; sort its rows by time")
    starts = np.concatenate(([True], steps > np.timedelta64(0)))
    rows = np.cumsum(starts) - 1
    groups, labels = _groups(parts.factors)
    fields = [
        field
        for source in sorted(parts.values, key=lambda field: field.name)
        for field in _wide_fields(source, rows, groups, labels, fill)
    ]
    time = Field(parts.time.name, FieldType.TIME, times[starts], nullable=False)
    meta = {**(frame.meta or {}), "type": "timeseries-wide", "typeVersion": _VERSION}
    return Frame((time, *fields), frame.name, meta=meta)


def wide_to_long(frame: Frame) -> Frame:
    """A row for each time and each set of labels, also where all its values are missing.

    Values that a set of labels lacks are zero, or missing if the field is nullable; labels that it lacks are
    empty. Settings of the fields and the ref id are not carried over.

    Raises ValueError if the frame is not wide, has no rows or missing times, or has fields of one name but
    different types.
    """
    parts = parts_of(frame)
    if parts.shape is not Shape.WIDE or parts.time is None:
        raise ValueError(f"frame {frame.name!r} is expected to be a wide time series; it is {parts.shape}")
    times = _times(frame, parts.time)
    by_labels: dict[str, list[Field]] = {}
    for field in parts.values:
        by_labels.setdefault(write_json(sorted((field.labels or {}).items())), []).append(field)
    sets = [by_labels[key] for key in sorted(by_labels)]
    labels = [fields[0].labels or {} for fields in sets]
    values = [_long_field(name, sets, len(times)) for name in sorted({field.name for field in parts.values})]
    factors = [
        _texts(key, [given.get(key, "") for given in labels], len(times))
        for key in sorted({key for given in labels for key in given})
    ]
    time = Field(parts.time.name, FieldType.TIME, np.repeat(times, len(sets)), nullable=False)
    meta = {**(frame.meta or {}), "type": "timeseries-long"}
    return Frame((time, *values, *factors), frame.name, meta=meta)


def _times(frame: Frame, time: Field) -> NDArray[Any]:
    if not len(time):
        raise ValueError(f"frame {frame.name!r} has no rows to convert")
    if not time.present().all():
        raise ValueError(
            f"field {time.name!r} of frame {frame.name!r} has missing times; leave out such rows"
        )
    return time.values


def _groups(factors: Sequence[Field]) -> tuple[NDArray[np.intp], list[dict[str, str]]]:
    """For each row the number of its combination of factors; and the combinations, sorted, as labels."""
    names = [field.name for field in factors]
    if len(set(names)) < len(names):
        raise ValueError(f"the columns {names} have to become labels; expected names that differ")
    groups = np.zeros(len(factors[0]), np.intp)
    combinations: list[tuple[str, ...]] = [()]
    for field in factors:
        codes, texts = _codes(field)
        found, groups = np.unique(groups * len(texts) + codes, return_inverse=True)
        pairs = [divmod(code, len(texts)) for code in found.tolist()]
        combinations = [(*combinations[before], texts[code]) for before, code in pairs]
    return groups, [dict(zip(names, combination, strict=True)) for combination in combinations]


def _codes(field: Field) -> tuple[NDArray[np.intp], list[str]]:
    """For each row the place of its text among all texts, sorted; what is missing is empty, or false."""
    if field.type is FieldType.BOOL:
        return (field.values & field.present()).astype(np.intp), ["false", "true"]
    texts = np.where(field.present(), field.values, "").tolist()
    distinct = sorted(set(texts))
    places = {text: place for place, text in enumerate(distinct)}
    return np.fromiter(map(places.__getitem__, texts), np.intp, len(texts)), distinct


def _wide_fields(
    source: Field,
    rows: NDArray[np.intp],
    groups: NDArray[np.intp],
    labels: Sequence[Mapping[str, str]],
    fill: Fill,
) -> list[Field]:
    """The fields that one value field becomes. rows, groups: where each of its values goes."""
    if not isinstance(fill, str) and not source.type.is_number:
        fill = "none"
    shape = (len(labels), int(rows[-1]) + 1)
    filler = _zero(source) if isinstance(fill, str) else _as_element(source, fill)
    values = np.full(shape, filler, source.values.dtype)
    values[groups, rows] = source.values  # of several for one cell the last one stays
    filled = np.zeros(shape, np.bool_)
    filled[groups, rows] = True
    valid = np.full(shape, not source.nullable if fill == "none" else not isinstance(fill, str))
    valid[groups, rows] = source.present()
    if fill == "previous":
        latest = np.maximum.accumulate(np.where(filled, np.arange(shape[1]), -1), axis=1)
        # Before the first value nothing stands: -1 is the last cell, which the second line hides.
        values, valid = (np.take_along_axis(cells, latest, axis=1) for cells in (values, valid))
        valid &= latest >= 0
    nullable = fill in ("null", "previous") or bool(source.nullable)
    return [
        Field(
            source.name, source.type, values[place], valid[place] if nullable else None, given, None, nullable
        )
        for place, given in enumerate(labels)
    ]


def _as_element(field: Field, number: float) -> float:
    """A number as the type of a field holds it: integers without its fraction."""
    if field.values.dtype.kind == "f":
        return number
    limits = np.iinfo(field.values.dtype)
    if not math.isfinite(number) or not limits.min <= math.trunc(number) <= limits.max:
        raise ValueError(f"{number} cannot fill field {field.name!r} of type {field.type}")
    return math.trunc(number)


def _zero(field: Field) -> object:
    match field.type:
        case FieldType.JSON:
            return "null"
        case FieldType.TIME:
            return np.datetime64(0, "ns")
        case _:
            return 0


def _long_field(name: str, sets: Sequence[Sequence[Field]], rows: int) -> Field:
    """The value column `name`, from the fields of this name in the sets of labels."""
    sources = [(place, field) for place, fields in enumerate(sets) for field in fields if field.name == name]
    first = sources[0][1]
    values = np.full((rows, len(sets)), _zero(first), first.values.dtype)
    valid = np.full(values.shape, not first.nullable)
    for place, field in sources:
        if (field.type, field.nullable) != (first.type, first.nullable):
            raise ValueError(f"two fields are named {name!r}, of type {_kind(first)} and {_kind(field)}")
        values[:, place] = field.values
        valid[:, place] = field.present()
    nullable = bool(first.nullable)
    return Field(
        name, first.type, values.reshape(-1), valid.reshape(-1) if nullable else None, nullable=nullable
    )


def _kind(field: Field) -> str:
    return f"{field.type}{', nullable' if field.nullable else ''}"


def _texts(name: str, texts: Sequence[str], repetitions: int) -> Field:
    return Field(name, FieldType.STRING, np.tile(np.array(texts, object), repetitions), nullable=False)
