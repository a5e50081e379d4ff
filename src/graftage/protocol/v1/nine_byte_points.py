"""Points of today, of which any may lack its value, which is how a value of 0 is sent.

A timestamp in milliseconds takes six bytes from 1971 to 2109. Tag, length, tag and timestamp are nine bytes
then, and so are tag and value. Points with and without a value therefore form one grid of nine-byte cells,
and the first byte of a cell tells which of the two it is: there is nothing to search for.

    1a <length> 08 <timestamp, 6 bytes>        11 <value, 8 bytes>
"""

from __future__ import annotations

from typing import Final

import numpy as np

from graftage.protocol.v1.alike_points import POINT, TIME, VALUE
from graftage.protocol.v1.point_columns import PointColumns
from graftage.protocol.v1.timestamps import Octets, Words, close_gaps

TIME_BYTES: Final = 6

_CELL: Final = 9
_CHUNK: Final = 8192  # cells
_FEWEST: Final = 32  # cells
# The eight bytes behind a cell's first one, low byte first: length, tag, timestamp.
_CHECKED: Final = np.uint64(0x80808080_8080FF00)
_EXPECTED: Final = np.uint64(0x00808080_80800000 | TIME << 8)
_GROUPS: Final = np.uint64(0x7F7F7F7F_7F7F0000)
_TIME_SHIFT: Final = np.uint64(16)


def read_nine_byte_points(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append points whose timestamps have six bytes, and return where they stop: maybe at once."""
    count = min((end - position) // _CELL, _CHUNK)
    if count < _FEWEST:
        return position
    tags: Octets = np.ndarray((count,), np.uint8, data, position, (_CELL,))
    lengths: Octets = np.ndarray((count,), np.uint8, data, position + 1, (_CELL,))
    words: Words = np.ndarray((count,), "<u8", data, position + 1, (_CELL,)).copy()
    is_value = tags == VALUE
    followed = np.zeros(count, np.bool_)  # by a value
    followed[:-1] = is_value[1:]
    right = words & _CHECKED == _EXPECTED
    right &= tags == POINT
    right &= lengths == TIME_BYTES + 1 + _CELL * followed
    right[1:] |= right[:-1] & followed[:-1]  # a value is right where the point before it is
    cells = count if right.all() else int(right.argmin())
    starts, valued = np.flatnonzero(~is_value[:cells]), np.flatnonzero(is_value[:cells])
    times, values = columns.extend(
        len(starts), likely=(end - position) * len(starts) // (_CELL * cells or 1) + 1
    )
    stamps = np.bitwise_and(words[starts], _GROUPS, out=times.view(np.uint64))
    stamps >>= _TIME_SHIFT
    close_gaps(stamps, TIME_BYTES)
    values[:] = 0
    values[valued - np.arange(1, len(valued) + 1)] = words.view(np.float64)[valued]
    return position + cells * _CELL
