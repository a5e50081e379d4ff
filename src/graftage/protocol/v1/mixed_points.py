"""Points of any usual layout, one beside the other.

The bytes around the start of each are gathered into a row. A value is read from the row of the next point,
because it stands before that one's start, at a place that is always the same:

    .. 11 <value, 8 bytes> | 1a <length> 08 <timestamp, 1 to 10 bytes, of which 8 are in the row>

NumPy gathers a row of 24 unaligned bytes as fast as a single word. What a point's length promises is checked
against the row before anything is believed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from graftage.protocol.v1.alike_points import TIME, VALUE
from graftage.protocol.v1.point_columns import PointColumns
from graftage.protocol.v1.point_starts import Indices, find_starts
from graftage.protocol.v1.timestamps import Octets, Words, close_gaps, top_bits

_BLOCK: Final = 180 << 10  # bytes looked through at once, so that all arrays stay in the cache
_FEWEST: Final = 512  # bytes that are worth it

_ROW: Final = 24  # bytes; places in it:
_VALUE_TAG: Final = 4
_VALUE: Final = 5
_START: Final = 13  # so that the timestamp is the row's last word
_TIME_TAG: Final = 15
_TIME_WORD: Final = 2

_NINTH: Final = 11  # byte of a timestamp, from the point's start
_TENTH: Final = 12
_BEHIND: Final = _TENTH + 1  # bytes that are looked at from the last start on

_GROUPS: Final = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONE: Final = np.uint64(1)


def read_mixed(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append points of any usual layout, as many as are near, and return where they stop: maybe at once.

    The last one is left: only the start of another point tells that it is whole.
    """
    size = min(end - position, _BLOCK, len(data) - position - _BEHIND) & -2
    if size < _FEWEST or position < _START:
        return position
    octets: Octets = np.ndarray((size + _BEHIND,), np.uint8, data, position)
    starts, sizes = find_starts(octets, size)
    if len(starts) < 2 or starts[0]:
        return position
    rows = np.ndarray((size,), f"V{_ROW}", data, position - _START, (1,))[starts]
    row_octets: Octets = rows.view(np.uint8).reshape(-1, _ROW)
    row_words: Words = rows.view("<u8").reshape(-1, _ROW // 8)
    most = len(starts) - 1
    times, values = columns.extend(most, likely=(end - position) * most // int(starts[most]) + 1)
    stamps, bits = times.view(np.uint64), values.view(np.uint64)
    fields = _read_times(row_words[:-1, _TIME_WORD], octets, starts, stamps)
    timed = row_octets[:-1, _TIME_TAG] == TIME
    if not timed.all():
        stamps *= timed
        fields *= timed
    rest = sizes[:-1] - fields
    valued = rest == 9
    bits[:] = np.ndarray((most,), "<u8", rows, _ROW + _VALUE, (_ROW,))
    if not valued.all():
        bits *= valued
    right = valued & (row_octets[1:, _VALUE_TAG] == VALUE)
    right |= rest == 0
    count = most if right.all() else int(right.argmin())
    columns.take_back(most - count)
    return position + int(starts[count])


def _read_times(groups: Words, octets: Octets, starts: Indices, stamps: Words) -> Octets:
    """Write timestamps from their first eight bytes and what is behind them; the bytes of their fields.

    starts: of the points, and of one more. What does not end after ten bytes gets a length that fits nowhere.
    """
    inside = groups | _GROUPS  # ones as far as high bits go, which one more carries through
    carried = inside + _ONE
    inside ^= carried
    fields: Octets = np.bitwise_count(inside)
    fields >>= 3
    inside &= _GROUPS
    np.bitwise_and(inside, groups, out=stamps)
    close_gaps(stamps, int(fields.max()))
    fields += 1  # the tag
    long = np.flatnonzero(carried == 0)
    if len(long):
        long_starts = starts[long]
        ninth, tenth = octets[long_starts + _NINTH], octets[long_starts + _TENTH]
        has_tenth = ninth >> 7
        stamps[long] |= top_bits(ninth, tenth * has_tenth)
        fields[long] += 1 + has_tenth * (1 + (tenth & 0x80))
    return fields
