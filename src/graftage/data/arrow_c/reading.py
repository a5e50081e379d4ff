"""What each flat Arrow type becomes in a frame, and how its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from nanoarrow.c_schema import c_schema_view
from numpy.typing import NDArray

from graftage.data.arrow_c.chunk import VALUES, Chunk
from graftage.data.arrow_c.decimals import floats_from_decimals
from graftage.data.arrow_c.structs import ArrowSchema, ArrowType
from graftage.data.arrow_c.text import texts_by_offsets, texts_by_size, texts_by_views
from graftage.data.durations import GRAFANA_UNITS
from graftage.data.frame import FieldType
from graftage.data.json_text import checked_json, not_text
from graftage.data.moments import NANOSECONDS, moments_from_counts

Values = Callable[[Chunk], NDArray[Any]]
Valid = Callable[[Chunk], NDArray[np.bool_] | None]

_NUMBERS: Final[Mapping[str, FieldType]] = {
    **{kind.value: kind for kind in FieldType if kind.dtype.kind in "iu" and kind is not FieldType.ENUM},
    "float": FieldType.FLOAT32,
    "double": FieldType.FLOAT64,
}
_TEXTS: Final[Mapping[str, Values]] = {
    "string": partial(texts_by_offsets, offsets=np.int32),
    "large_string": partial(texts_by_offsets, offsets=np.int64),
    "string_view": texts_by_views,
}
_BINARIES: Final[Mapping[str, Values]] = {
    "binary": _TEXTS["string"],
    "large_binary": _TEXTS["large_string"],
    "binary_view": texts_by_views,
}
_MILLISECONDS_PER_DAY: Final = 86_400_000
_WAY_OUT: Final = "cast it to numbers, bools, times or text first"
_WAYS_OUT: Final = {
    **dict.fromkeys(
        (*_BINARIES, "fixed_size_binary"), "turn it into text, or name it in json_columns if it holds JSON"
    ),
    "run_end_encoded": "decode its runs first",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column is read: the type of its field, its values in a chunk, and the unit that they count.

    values: as many as the chunk has rows, anything where one is missing; if they are a view of the chunk,
    they are read-only. valid: where a value is present, or None for everywhere.
    """

    type: FieldType
    values: Values
    valid: Valid = Chunk.valid
    unit: str = ""


def type_of(name: str, schema: ArrowSchema) -> ArrowType:
    """What a schema says. Raises ValueError naming the column, if Arrow has no such type."""
    try:
        kind: ArrowType = c_schema_view(schema)
    except RuntimeError as error:  # such as the 128-bit integers of polars
        raise _unreadable(name, schema.format) from error
    return kind


def reading_of(name: str, schema: ArrowSchema, *, json: bool = False) -> Reading:
    """How the column `name`, of a type that is not nested, is read. json: it holds JSON, as text or bytes.

    Raises ValueError naming the column and its Arrow type, if frames have nothing like it.
    """
    kind = type_of(name, schema)
    json = json or kind.extension_name == "arrow.json"
    if schema.dictionary is not None:
        return _of_dictionary(reading_of(name, schema.dictionary, json=json), kind.storage_type)
    reading = _of_json(name, kind) if json else _of_plain(name, kind)
    if reading is None:
        arrow = f"{kind.type} ({kind.extension_name})" if kind.extension_name else kind.type
        raise _not_json(name, arrow) if json else _unreadable(name, arrow)
    return reading


def _of_plain(name: str, kind: ArrowType) -> Reading | None:
    match kind.type:
        case number if number in _NUMBERS:
            return Reading(_NUMBERS[number], lambda chunk: chunk.rows(VALUES, _NUMBERS[number].dtype))
        case text if text in _TEXTS:
            return Reading(FieldType.STRING, _TEXTS[text])
        case "bool":
            return Reading(FieldType.BOOL, lambda chunk: chunk.bits(VALUES))
        case "half_float":
            return Reading(FieldType.FLOAT32, lambda chunk: chunk.rows(VALUES, np.float16).astype(np.float32))
        case "timestamp":
            return _of_moments(name, kind.time_unit, lambda chunk: chunk.rows(VALUES, np.int64))
        case "date32":
            return _of_moments(name, "D", lambda chunk: chunk.rows(VALUES, np.int32).astype(np.int64))
        case "date64":
            return _of_moments(name, "D", lambda chunk: chunk.rows(VALUES, np.int64) // _MILLISECONDS_PER_DAY)
        case "time32" | "time64":
            counts, nanoseconds = kind.storage_type, NANOSECONDS[kind.time_unit]
            return Reading(
                FieldType.INT64,
                lambda chunk: chunk.rows(VALUES, counts).astype(np.int64) * nanoseconds,
                unit=GRAFANA_UNITS["ns"],
            )
        case "duration":
            return Reading(
                FieldType.INT64,
                lambda chunk: chunk.rows(VALUES, np.int64),
                unit=GRAFANA_UNITS[kind.time_unit],
            )
        case "decimal128" | "decimal256":
            bits, scale = kind.decimal_bitwidth, kind.decimal_scale
            return Reading(FieldType.FLOAT64, lambda chunk: floats_from_decimals(chunk, bits, scale))
        case "na":
            return Reading(
                FieldType.STRING,
                lambda chunk: np.full(chunk.length, "", object),
                lambda chunk: np.zeros(chunk.length, np.bool_),
            )
        case _:
            return None


def _of_moments(name: str, unit: str, counts: Values) -> Reading:
    return Reading(
        FieldType.TIME, lambda chunk: moments_from_counts(name, counts(chunk), unit, chunk.valid())
    )


def _of_json(name: str, kind: ArrowType) -> Reading | None:
    """JSON in a column of text or bytes."""
    texts = _TEXTS.get(kind.type) or _BINARIES.get(kind.type)
    if kind.type == "fixed_size_binary":
        texts = partial(texts_by_size, size=kind.fixed_size)
    if texts is None:
        return None

    def values(chunk: Chunk) -> NDArray[Any]:
        try:
            return checked_json(name, texts(chunk), chunk.valid())
        except UnicodeDecodeError as error:
            raise not_text(name, error) from error

    return Reading(FieldType.JSON, values)


def _of_dictionary(entries: Reading, indices: str) -> Reading:
    """Each row's value is the entry to which its index refers."""

    def referred(chunk: Chunk, found: NDArray[Any], missing: NDArray[Any]) -> NDArray[Any]:
        rows = chunk.rows(VALUES, indices).astype(np.intp)
        valid = chunk.valid()
        if valid is not None:
            rows[~valid] = len(found)  # anything may stand there, even beyond the entries
        return np.concatenate((found, missing)).take(rows)

    def values(chunk: Chunk) -> NDArray[Any]:
        found = entries.values(Chunk.whole(chunk.array.dictionary))
        return referred(chunk, found, np.zeros(1, found.dtype))

    def valid(chunk: Chunk) -> NDArray[np.bool_] | None:
        found = entries.valid(Chunk.whole(chunk.array.dictionary))
        return chunk.valid() if found is None else referred(chunk, found, np.zeros(1, np.bool_))

    return replace(entries, values=values, valid=valid)


def _unreadable(name: str, arrow: str) -> ValueError:
    way_out = _WAYS_OUT.get(arrow.partition(" ")[0], _WAY_OUT)
    return ValueError(f"column {name!r} is of Arrow type {arrow}, which frames do not have; {way_out}")


def _not_json(name: str, arrow: str) -> ValueError:
    return ValueError(f"column {name!r} is declared JSON but of Arrow type {arrow}; expected text or bytes")
