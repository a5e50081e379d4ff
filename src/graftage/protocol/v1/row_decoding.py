"""The rows of a table side by side: all their first cells at once, then all their second ones, and so on.

A cell on the wire is `0a <length>`, then `08 <kind>` unless that is 0, then the one field that the kind asks
for, unless its content is zero or empty. Anything else is for somebody slower to read.

    11 <8 bytes>   double        18 <varint>            int64        20 <varint>   bool
    2a <length> <text>           32 <length> <bytes>
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.table import CellKind

_Indices = NDArray[np.intp]
_Octets = NDArray[np.uint8]
_Words = NDArray[np.uint64]

_CELL: Final = 0x0A
_KIND: Final = 0x08
_TAGS: Final = {
    CellKind.DOUBLE: 0x11,
    CellKind.INT64: 0x18,
    CellKind.BOOL: 0x20,
    CellKind.STRING: 0x2A,
    CellKind.BYTES: 0x32,
}
_LONGEST_VARINT: Final = 10  # bytes
_FEWEST_ABREAST: Final = 8  # rows that are so much longer than the others are not read side by side
_SIZE_OF_DOUBLE: Final = 8


class Unusual(Exception):
    """Something is not encoded as expected. It may be right all the same, or broken."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table and their cells in reading order, as `Table` keeps them."""

    widths: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    doubles: NDArray[np.float64]
    integers: NDArray[np.int64]
    bools: NDArray[np.bool_]
    texts: list[str]
    blobs: list[bytes]


def read_rows(data: bytes, starts: _Indices, stops: _Indices) -> Rows:
    """The rows in `data[start:stop]`, for each start and stop. Raises Unusual."""
    octets = np.frombuffer(data, np.uint8)
    widths, starts, stops = _find_cells(octets, starts, stops)
    kinds = _read_kinds(octets, starts, stops)
    starts = np.minimum(starts + 2, stops)  # what stands behind the kind, if anything
    contents = {
        kind: _contents(octets, starts[kinds == kind], stops[kinds == kind], tag)
        for kind, tag in _TAGS.items()
    }
    if (starts < stops)[kinds == CellKind.NULL].any():
        raise Unusual
    return Rows(
        widths,
        kinds,
        _read_doubles(data, *contents[CellKind.DOUBLE]),
        _read_integers(octets, *contents[CellKind.INT64]).view(np.int64),
        _read_integers(octets, *contents[CellKind.BOOL]) != 0,
        [
            data[start:stop].decode("utf-8", "replace")
            for start, stop in _spans(octets, *contents[CellKind.STRING])
        ],
        [data[start:stop] for start, stop in _spans(octets, *contents[CellKind.BYTES])],
    )


def _find_cells(
    octets: _Octets, starts: _Indices, stops: _Indices
) -> tuple[NDArray[np.int64], _Indices, _Indices]:
    """How many cells each row has, and where all of them start and stop, in reading order."""
    position = starts.copy()
    lanes = np.flatnonzero(position < stops)  # the rows that have another cell
    columns: list[tuple[_Indices, _Indices, _Indices]] = []
    while len(lanes):
        if len(lanes) < _FEWEST_ABREAST or (octets[position[lanes]] != _CELL).any():
            raise Unusual
        lengths, begin = _read_varints(octets, position[lanes] + 1, stops[lanes])
        end = begin + _as_lengths(lengths)
        if (end > stops[lanes]).any():
            raise Unusual
        columns.append((lanes, begin, end))
        position[lanes] = end
        lanes = lanes[end < stops[lanes]]
    widths = np.zeros(len(starts), np.int64)
    for lanes, _, _ in columns:
        widths[lanes] += 1
    places = np.cumsum(widths) - widths
    begins, ends = np.empty(int(widths.sum()), np.intp), np.empty(int(widths.sum()), np.intp)
    for index, (lanes, begin, end) in enumerate(columns):
        begins[places[lanes] + index] = begin
        ends[places[lanes] + index] = end
    return widths, begins, ends


def _read_kinds(octets: _Octets, starts: _Indices, stops: _Indices) -> _Octets:
    kinds = np.zeros(len(starts), np.uint8)
    given = np.flatnonzero(starts < stops)
    first = starts[given]
    if (first + 2 > stops[given]).any() or (octets[first] != _KIND).any():
        raise Unusual
    kinds[given] = octets[first + 1]
    if (kinds > max(CellKind)).any():
        raise Unusual
    return kinds


def _contents(octets: _Octets, starts: _Indices, stops: _Indices, tag: int) -> tuple[_Indices, _Indices]:
    """Where the content of cells starts, behind its tag, and stops: at once if there is none."""
    given = starts < stops
    if (octets[starts[given]] != tag).any():
        raise Unusual
    return starts + given, stops


def _read_doubles(data: bytes, starts: _Indices, stops: _Indices) -> NDArray[np.float64]:
    doubles = np.zeros(len(starts), np.float64)
    given = np.flatnonzero(starts < stops)
    if (stops[given] - starts[given] != _SIZE_OF_DOUBLE).any():
        raise Unusual
    if len(given):
        doubles[given] = np.ndarray((len(data) - _SIZE_OF_DOUBLE + 1,), "<f8", data, 0, (1,))[starts[given]]
    return doubles


def _read_integers(octets: _Octets, starts: _Indices, stops: _Indices) -> _Words:
    integers = np.zeros(len(starts), np.uint64)
    given = np.flatnonzero(starts < stops)
    integers[given], ends = _read_varints(octets, starts[given], stops[given])
    if (ends != stops[given]).any():
        raise Unusual
    return integers


def _spans(octets: _Octets, starts: _Indices, stops: _Indices) -> zip[tuple[int, int]]:
    """Where the bytes of texts start and stop."""
    begins = stops.copy()
    given = np.flatnonzero(starts < stops)
    lengths, begins[given] = _read_varints(octets, starts[given], stops[given])
    if (begins[given] + _as_lengths(lengths) != stops[given]).any():
        raise Unusual
    return zip(begins.tolist(), stops.tolist(), strict=True)


def _read_varints(octets: _Octets, starts: _Indices, stops: _Indices) -> tuple[_Words, _Indices]:
    """Numbers of up to ten bytes, and where each ends."""
    ends = starts + 1
    if (ends > stops).any():
        raise Unusual
    byte = octets[starts]
    values: _Words = (byte & 0x7F).astype(np.uint64)
    more = np.flatnonzero(byte >= 0x80)
    for index in range(1, _LONGEST_VARINT):
        if not len(more):
            return values, ends
        if (ends[more] >= stops[more]).any():
            raise Unusual
        byte = octets[ends[more]]
        values[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(7 * index)
        ends[more] += 1
        more = more[byte >= 0x80]
    if len(more):
        raise Unusual
    return values, ends


def _as_lengths(values: _Words) -> _Indices:
    if (values > np.uint64(2**31 - 1)).any():
        raise Unusual
    return values.astype(np.intp)
