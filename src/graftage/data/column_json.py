"""The values of one field as a JSON array, and back.

    time.Time        [1700000000123,null]   milliseconds; what is finer stands apart, in `nanos`
    float64          [0.5,null]             NaN and infinities stand apart, in `entities`
    json.RawMessage  [{"a": 1},null]        the stored text as it is

Source: grafana-plugin-sdk-go, data/frame_json.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from graftage.data.frame import Field, FieldType
from graftage.data.json_complaint import complaint
from graftage.data.number_text import with_nulls, write_floats, write_integers
from graftage.data.text_json import write_texts
from graftage.data.utf8 import encode_utf8

_CHUNK: Final = 8192  # rows; the fastest for numbers, and small enough to be thrown away soon
_NANOSECONDS: Final = 1_000_000  # in a millisecond
_INTEGER: Final = re.compile("-?[0-9]{1,20}")
_MINUS_ZEROS: Final = (b"-0,", b"-0]", b"-0 ")  # found without the pattern, which is slow
_MINUS_ZERO: Final = re.compile(rb"(?<![eE])-0(?=[,\]\s])")
_INTEGERS: Final[Mapping[np.dtype[Any], Any]] = {
    kind.dtype: list[Annotated[int, msgspec.Meta(ge=first, le=last if last < 2**63 else None)] | None]
    for kind in FieldType
    if kind.dtype.kind in "iu"
    for first, last in [(int(np.iinfo(kind.dtype).min), int(np.iinfo(kind.dtype).max))]
}
_FLOATS: Final = (FieldType.FLOAT64, FieldType.FLOAT32)
# What stands for the numbers that JSON lacks, in Go's order.
_ENTITIES: Final[Mapping[str, float]] = {"NaN": np.nan, "Inf": np.inf, "NegInf": -np.inf}

_Rows = NDArray[np.bool_] | None


def write_column(field: Field) -> Iterator[bytes]:
    """The values as chunks of one JSON array."""
    yield b"["
    for start in range(0, len(field), _CHUNK):
        rows = slice(start, start + _CHUNK)
        chunk = _write_chunk(
            field.type, field.values[rows], None if field.valid is None else field.valid[rows]
        )
        if start:
            yield b","
        yield chunk[1:-1]
    yield b"]"


def entities_of(field: Field) -> dict[str, list[int]] | None:
    """The rows of numbers that JSON cannot hold, by name; None if there are none."""
    if field.type not in _FLOATS or np.isfinite(field.values).all():
        return None
    present = field.present()
    rows = {
        "NaN": np.isnan(field.values),
        "Inf": np.isposinf(field.values),
        "NegInf": np.isneginf(field.values),
    }
    found = {name: np.flatnonzero(held & present).tolist() for name, held in rows.items()}
    return {name: places for name, places in found.items() if places} or None


def nanos_of(field: Field) -> NDArray[np.int64] | None:
    """For each row the nanoseconds behind its millisecond, 0 if it is missing; None if all are 0."""
    if field.type is not FieldType.TIME:
        return None
    nanoseconds = field.values.view(np.int64)
    rest = nanoseconds - nanoseconds // _NANOSECONDS * _NANOSECONDS
    if field.valid is not None:
        rest *= field.valid
    return rest if rest.any() else None


def _write_chunk(kind: FieldType, values: NDArray[Any], valid: _Rows) -> bytes:
    match kind:
        case FieldType.STRING:
            return write_texts(_texts(values, valid, None))
        case FieldType.JSON:
            return b"[%b]" % b",".join(map(_raw, _texts(values, valid, "")))
        case FieldType.FLOAT64 | FieldType.FLOAT32:
            return write_floats(
                values if valid is None else np.where(valid, values, values.dtype.type(np.nan))
            )
        case FieldType.TIME:
            text = write_integers(values.view(np.int64) // _NANOSECONDS)
        case _:
            text = write_integers(values)
    return text if valid is None or valid.all() else with_nulls(text, valid)


def _texts(values: NDArray[Any], valid: _Rows, missing: str | None) -> list[Any]:
    if valid is not None:
        values = values.copy()
        values[~valid] = missing
    texts: list[Any] = values.tolist()
    return texts


def _raw(text: str) -> bytes:
    """A stored JSON text as it is, or `null` if it is none."""
    stored = encode_utf8(text)
    try:
        orjson.loads(stored)
    except orjson.JSONDecodeError:  # or something that Go understands and orjson does not, such as 1e999
        return stored if complaint(stored, first_only=False) is None else b"null"
    return stored


def read_column(
    kind: FieldType, text: msgspec.Raw, entities: Mapping[str, Sequence[int]], nanos: Sequence[int] | None
) -> tuple[NDArray[Any], _Rows]:
    """The values of an array, and where they are present; None if none is missing.

    Missing values are zero, missing JSON is `null`. Integers may also come as text or as `1.0`. Raises
    ValueError saying which row is wrong.
    """
    if kind not in _FLOATS and entities.keys() & _ENTITIES.keys():
        raise ValueError(f"a field of type {kind} has entities; only floating point numbers can")
    if kind is not FieldType.TIME and nanos is not None:
        raise ValueError(f"a field of type {kind} has nanos; only times can")
    match kind:
        case FieldType.STRING:
            return _as_array(msgspec.json.decode(text, type=list[str | None]), kind.dtype, "")
        case FieldType.BOOL:
            return _as_array(msgspec.json.decode(text, type=list[bool | None]), kind.dtype, False)
        case FieldType.JSON:
            written = [bytes(raw).decode() for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
            return _as_array([None if json == "null" else json for json in written], kind.dtype, "null")
        case FieldType.FLOAT64 | FieldType.FLOAT32:
            return _read_floats(text, kind.dtype, entities)
        case FieldType.TIME:
            return _read_times(text, nanos)
        case _:
            return _read_integers(text, kind.dtype)


def _read_floats(
    text: msgspec.Raw, dtype: np.dtype[Any], entities: Mapping[str, Sequence[int]]
) -> tuple[NDArray[Any], _Rows]:
    written = bytes(text)
    if any(end in written for end in _MINUS_ZEROS):
        # The decoder takes -0 for an integer, which has no sign.
        written = _MINUS_ZERO.sub(b"-0.0", written)
    with np.errstate(over="ignore"):
        values, valid = _as_array(msgspec.json.decode(written, type=list[float | None]), dtype, 0.0)
    if not np.isfinite(values).all():
        raise ValueError(f"row {np.isinf(values).argmax()} is too large for {dtype}")
    for name, number in _ENTITIES.items():
        rows = entities.get(name, ())
        if rows and max(rows) >= len(values):
            raise ValueError(f"row {max(rows)} is {name}, but there are only {len(values)} rows")
        values[list(rows)] = number
        if valid is not None:
            valid[list(rows)] = True
    return values, None if valid is None or valid.all() else valid


def _read_times(text: msgspec.Raw, nanos: Sequence[int] | None) -> tuple[NDArray[Any], _Rows]:
    milliseconds, valid = _read_integers(text, np.dtype(np.int64))
    rest = np.zeros_like(milliseconds) if nanos is None else np.array(nanos, np.int64)
    if len(rest) != len(milliseconds):
        raise ValueError(f"{len(milliseconds)} times have {len(rest)} nanos")
    if valid is not None:
        rest *= valid
    nanoseconds = milliseconds * _NANOSECONDS + rest
    # What is too large for 64 bits comes out as something else.
    wrong = nanoseconds // _NANOSECONDS != milliseconds + rest // _NANOSECONDS
    if wrong.any():
        raise ValueError(
            f"row {wrong.argmax()} is a time beyond the years 1677 to 2262, which frames cannot hold"
        )
    return nanoseconds.view("datetime64[ns]"), valid


def _read_integers(text: msgspec.Raw, dtype: np.dtype[Any]) -> tuple[NDArray[Any], _Rows]:
    try:
        elements = msgspec.json.decode(text, type=_INTEGERS[dtype])
    except msgspec.ValidationError:  # slower, and rare
        loose = msgspec.json.decode(text, type=list[int | float | str | None])
        integers = [_integer(row, element) for row, element in enumerate(loose)]
        elements = msgspec.convert(integers, _INTEGERS[dtype])
    try:
        return _as_array(elements, dtype, 0)
    except OverflowError as error:  # beyond 64 bits, where the decoder's limits end
        raise ValueError(f"{error}; expected integers of {dtype}") from error


def _integer(row: int, element: int | float | str | None) -> int | None:
    match element:
        case None | int():
            return element
        case float() if element.is_integer():
            return int(element)
        case str() if _INTEGER.fullmatch(element):
            return int(element)
        case _:
            raise ValueError(f"row {row} is {element!r}; expected an integer")


def _as_array(elements: list[Any], dtype: np.dtype[Any], zero: object) -> tuple[NDArray[Any], _Rows]:
    """Elements of one type as an array, with `zero` for None."""
    if None not in elements:
        return np.array(elements, dtype), None
    objects = np.array(elements, object)
    valid = np.array([element is not None for element in elements], np.bool_)
    objects[~valid] = zero
    return objects.astype(dtype), valid
