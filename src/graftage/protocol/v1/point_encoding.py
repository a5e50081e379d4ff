"""The points of a series, from arrays to protobuf: a million of them in about the time protobuf takes.

How a point looks is told in `point_decoding`. A point is laid out in a row of bytes that has room for the longest
one; what it leaves out is then dropped. Where all points of a chunk leave out the same, nothing has to be dropped:
the rows are as short as the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]
_Words = NDArray[np.uint64]
_Octets = NDArray[np.uint8]
_Flags = NDArray[np.bool_]

_CHUNK: Final = 8192  # points; their rows stay in the processor's cache


def write_points(times: Times, values: Values) -> Iterator[bytes]:
    """The points as fields of their series, in chunks that belong one behind the other."""
    for start in range(0, len(times), _CHUNK):
        words = np.ascontiguousarray(times[start : start + _CHUNK], "<i8").view(np.uint64)
        doubles = np.ascontiguousarray(values[start : start + _CHUNK], "<f8")
        has_value = doubles.view(np.uint64) != 0  # -0.0 is written: only what is all zero bits is left out
        shortest, longest = _varint_bytes(int(words.min())), _varint_bytes(int(words.max()))
        any_value = bool(has_value.any())
        rows = _rows(words, doubles if any_value else None, longest)
        if shortest < longest or any_value != has_value.all():
            yield _without_gaps(rows, words, has_value if any_value else None, longest)
        else:
            yield rows.tobytes()


def _varint_bytes(number: int) -> int:
    """The bytes of a timestamp's varint; 0 for 0, which is left out."""
    return (number.bit_length() + 6) // 7


def _rows(words: _Words, values: Values | None, time_bytes: int) -> _Octets:
    """A row of bytes for each point: tag, length, timestamp of so many bytes, value unless there are none."""
    time_end = 3 + time_bytes if time_bytes else 2
    stride = time_end + (9 if values is not None else 0)
    rows = np.empty((len(words), stride), np.uint8)
    rows[:, 0] = 0x1A
    rows[:, 1] = stride - 2
    if time_bytes:
        rows[:, 2] = 0x08
    for index in range(time_bytes):
        octets = (words >> np.uint64(7 * index)).astype(np.uint8)
        if index < time_bytes - 1:
            octets |= 0x80
        rows[:, 3 + index] = octets
    if values is not None:
        rows[:, time_end] = 0x11
        np.ndarray((len(words),), "<f8", rows, time_end + 1, (stride,))[:] = values
    return rows


def _without_gaps(rows: _Octets, words: _Words, has_value: _Flags | None, time_bytes: int) -> bytes:
    """The rows without what their points leave out, and with the lengths that they have then."""
    kept = np.ones(rows.shape, np.bool_)
    lengths = np.zeros(len(rows), np.uint8)
    if time_bytes:
        kept[:, 2] = words != 0
        lengths += kept[:, 2]
    for index in range(time_bytes):
        column = 3 + index
        kept[:, column] = words >= np.uint64(1 << 7 * index)
        lengths += kept[:, column]
        if index:
            rows[:, column - 1] &= np.where(kept[:, column], np.uint8(0xFF), np.uint8(0x7F))
    if has_value is not None:
        kept[:, -9:] = has_value[:, np.newaxis]
        lengths += has_value * np.uint8(9)
    rows[:, 1] = lengths
    return rows[kept].tobytes()
