"""Columns of Python values as fields of a frame: lists, tuples, `array.array`, NumPy arrays."""

from __future__ import annotations

import reprlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.durations import counts_from_durations, counts_from_timedeltas
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.json_text import checked_json, json_text, not_text
from graftage.data.moments import moments_from_array, moments_from_counts

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# By the kind of element, in words: what a column of them becomes.
_INTEGER, _NUMBER, _BOOL, _TEXT = "integers", "numbers", "bools", "text"
_TIME, _DURATION = "times", "durations"
_FILLERS: Final[Mapping[str, object]] = {
    _INTEGER: 0, _NUMBER: 0.0, _BOOL: False, _TEXT: "", _TIME: _EPOCH,
    _DURATION: timedelta(),
}  # fmt: skip


def frame_of_columns(fields: Sequence[Field], *, name: str = "", ref_id: str = "") -> Frame:
    """The frame of these fields. Raises ValueError naming the one that is as long as no other."""
    for field in fields[1:]:
        if len(field) != len(fields[0]):
            raise ValueError(
                f"column {field.name!r} has {len(field)} values where column {fields[0].name!r} has "
                f"{len(fields[0])}; expected columns of one length"
            )
    return Frame(tuple(fields), name, ref_id)


def field_from_values(name: str, values: object) -> Field:
    """One column as a field.

    None is a missing value. Integers and floats in one column become float64; a `date`, and a `datetime`
    without a time zone, are in UTC; a member of an Enum is its value. Raises ValueError naming the column.
    """
    match values:
        case np.ma.MaskedArray():
            return _field_from_masked(name, values)
        case np.ndarray():
            return _field_from_array(name, values)
        case str() | bytes() | bytearray() | Mapping() | set() | frozenset():
            raise _no_column(name, values)
        case list() | tuple():
            return _field_from_list(name, values)
        case array() if values.typecode != "u":
            return _field_from_array(name, np.array(values))
        case _ if hasattr(values, "__array__"):
            return _field_from_array(name, np.asarray(values))
        case Iterable():
            return _field_from_list(name, list(values))
        case _:
            raise _no_column(name, values)


def json_field(name: str, values: object) -> Field:
    """One column of JSON: text and bytes that are JSON, and other values of which JSON is made.

    Raises ValueError naming the column.
    """
    match values:
        case str() | bytes() | bytearray() | Mapping() | set() | frozenset():
            raise _no_column(name, values)
        case np.ndarray():
            items = values.tolist()
        case Iterable():
            items = list(values)
        case _:
            raise _no_column(name, values)
    valid = np.array([item is not None for item in items], np.bool_)
    texts = np.empty(len(items), object)
    texts[:] = [_as_json(name, item) for item in items]
    return Field(name, FieldType.JSON, checked_json(name, texts, valid), None if valid.all() else valid)


def _as_json(name: str, item: object) -> str:
    match item:
        case None:
            return ""
        case str():
            return item
        case bytes() | bytearray():
            try:
                return item.decode()
            except UnicodeDecodeError as error:
                raise not_text(name, error) from error
        case _:
            return json_text(name, item)


def _field_from_masked(name: str, values: np.ma.MaskedArray[Any, Any]) -> Field:
    if values.dtype.kind == "O":  # NumPy would fill its gaps with text
        return _field_from_list(name, values.tolist())
    field = _field_from_array(name, values.filled())
    return replace(field, valid=field.present() & ~np.ma.getmaskarray(values), nullable=True)


def _field_from_array(name: str, values: NDArray[Any]) -> Field:
    if values.ndim != 1:
        raise ValueError(f"column {name!r} is an array of shape {values.shape}; expected a flat one")
    match values.dtype.kind:
        case "b":
            return Field(name, FieldType.BOOL, values)
        case "i" | "u":
            kind = FieldType(f"{'u' if values.dtype.kind == 'u' else ''}int{8 * values.dtype.itemsize}")
            return Field(name, kind, values.astype(kind.dtype, copy=False))
        case "f":
            kind = FieldType.FLOAT32 if values.dtype.itemsize <= 4 else FieldType.FLOAT64
            return Field(name, kind, values.astype(kind.dtype, copy=False))
        case "M":
            return Field(name, FieldType.TIME, *moments_from_array(name, values))
        case "m":
            counts, valid, unit = counts_from_durations(name, values)
            return Field(name, FieldType.INT64, counts, valid, config={"unit": unit})
        case "U" | "O" | "T":
            return _field_from_list(name, values.tolist())
        case _:
            raise ValueError(
                f"column {name!r} is an array of {values.dtype}; expected numbers, bools, text, datetime64 "
                "or timedelta64"
            )


def _field_from_list(name: str, values: Sequence[object]) -> Field:
    if any(isinstance(value, Enum) for value in values):
        values = [value.value if isinstance(value, Enum) else value for value in values]
    for scalar in (np.datetime64, np.timedelta64):  # what the elements of an array are
        if {type(value) for value in values if value is not None} == {scalar}:
            return _field_from_array(
                name, np.array([scalar("NaT") if value is None else value for value in values])
            )
    kind = _kind_of(name, values)
    if kind == _TIME:  # pandas' NaT is a datetime, which is not equal to itself
        values = [value if value == value else None for value in values]
    missing = any(value is None for value in values)
    valid = np.array([value is not None for value in values], np.bool_) if missing else None
    filler = _FILLERS[kind]
    present: Sequence[Any] = [filler if value is None else value for value in values] if missing else values
    match kind:
        case "integers":
            return _field_from_integers(name, present, valid)
        case "numbers":
            return Field(name, FieldType.FLOAT64, _floats(name, present), valid)
        case "bools":
            return Field(name, FieldType.BOOL, np.array(present, np.bool_), valid)
        case "times":
            return Field(name, FieldType.TIME, _moments(name, present), valid)
        case "durations":
            counts, unit = counts_from_timedeltas(name, present)
            return Field(name, FieldType.INT64, counts, valid, config={"unit": unit})
        case _:
            texts = np.empty(len(present), object)
            texts[:] = [str(value) for value in present]
            return Field(name, FieldType.STRING, texts, valid)


def _field_from_integers(name: str, values: Sequence[Any], valid: NDArray[np.bool_] | None) -> Field:
    for kind in (FieldType.INT64, FieldType.UINT64):
        try:
            return Field(name, kind, np.array(values, kind.dtype), valid)
        except OverflowError:
            continue
    raise ValueError(
        f"column {name!r} holds integers from {min(values)} to {max(values)}; expected them to fit in int64 "
        "or uint64"
    )


def _floats(name: str, values: Sequence[Any]) -> NDArray[np.float64]:
    try:
        return np.array([float(value) for value in values], np.float64)
    except (OverflowError, ValueError) as error:  # such as 10**400 beside 0.5
        raise ValueError(f"column {name!r} holds a number that is no float64: {error}") from error


def _moments(name: str, values: Sequence[Any]) -> NDArray[np.datetime64]:
    """Dates and datetimes as nanoseconds in UTC."""
    zones = {
        value.tzinfo is not None for value in values if isinstance(value, datetime) and value is not _EPOCH
    }
    if len(zones) > 1:
        raise ValueError(
            f"column {name!r} mixes datetimes with and without a time zone; give all of them one, such as "
            "datetime.UTC"
        )
    microseconds = np.array([(_in_utc(value) - _EPOCH) // _MICROSECOND for value in values], np.int64)
    return moments_from_counts(name, microseconds, "us", None)


def _in_utc(value: date) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _kind_of(name: str, values: Iterable[object]) -> str:
    """What all elements have in common. Raises ValueError if they have nothing."""
    examples = {type(value): value for value in values if value is not None}
    kinds = {_kind_of_element(name, example): example for example in examples.values()}
    if kinds.keys() == {_INTEGER, _NUMBER}:
        return _NUMBER
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise ValueError(
            f"column {name!r} mixes {one} ({first!r}) and {other} ({second!r}); expected one of them"
        )
    return next(iter(kinds), _TEXT)  # nothing but None could be anything


def _kind_of_element(name: str, value: object) -> str:
    match value:
        case bool() | np.bool_():
            return _BOOL
        case int() | np.integer():
            return _INTEGER
        case float() | np.floating() | Decimal():
            return _NUMBER
        case str():
            return _TEXT
        case date():
            return _TIME
        case timedelta():
            return _DURATION
        case _:
            raise ValueError(
                f"column {name!r} holds {type(value).__name__} {value!r}; expected numbers, bools, text, "
                f"datetimes, timedeltas or None{_way_out(value)}"
            )


def _way_out(value: object) -> str:
    is_json = isinstance(value, bytes | list | tuple | Mapping)
    return "; frame_from sends it as JSON if json_columns names the column" if is_json else ""


def _no_column(name: str, values: object) -> ValueError:
    return ValueError(
        f"column {name!r} is {type(values).__name__} {reprlib.repr(values)}; expected a list, a tuple or an "
        "array of values"
    )
