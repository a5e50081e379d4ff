"""Points of any usual layout, one beside the other.

Their starts are found by looking for `1a` before a length and a tag that a point may have, and keeping those
that follow from each other. What the first bytes promise is checked against the rest before anything is
believed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftage.protocol.v1.alike_points import LONGEST_POINT, POINT, TIME, VALUE
from graftage.protocol.v1.point_columns import PointColumns, Values
from graftage.protocol.v1.timestamps import IN_A_WORD, LONGEST, Octets, Words, close_gaps, top_bits

_Indices = NDArray[np.intp]
_Flags = NDArray[np.bool_]

_BLOCK: Final = 120 << 10  # bytes looked through at once: from 128 KiB on malloc asks the system each time
_FEWEST: Final = 512  # bytes that are worth it
_MARGIN: Final = 24  # bytes that are looked at behind the last start: those of the longest point
_MOST_REPAIRS: Final = 256  # wrong starts in one block; after more the block ends there

# A kind of point: the bytes of its timestamp in the low bits, and flags.
_TIME_BYTES: Final = 0x0F
_HAS_VALUE: Final = 0x10
_USUAL: Final = 0x80
_SHORT_TIME_AND_VALUE: Final = _USUAL | _HAS_VALUE | 1
_LONGEST_TIME_ALONE: Final = _USUAL | LONGEST

_CONTINUATIONS: Final = np.uint64(0x8080808080808080)


def read_mixed(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append points of any usual layout, as many as are near, and return where they stop: maybe at once."""
    size = min(end - position, _BLOCK, len(data) - position - _MARGIN)
    if size < _FEWEST:
        return position
    octets: Octets = np.ndarray((size + _MARGIN,), np.uint8, data, position)
    starts, kinds = _find_starts(octets, size)
    if not len(starts) or starts[0]:
        return position
    stops = starts + _LENGTHS.take(kinds)
    chain = _chain(starts, stops, end - position)
    if chain is not None:
        starts, stops, kinds = starts[chain], stops[chain], kinds[chain]
    words, right = _read_times(octets, starts, kinds)
    valueless = kinds & _HAS_VALUE == 0
    right &= (octets[stops - 9] == VALUE) | valueless
    count = len(right) if right.all() else int(right.argmin())
    if not count:
        return position
    stop = int(stops[count - 1])
    times, values = columns.extend(count, likely=(end - position) * count // stop + 1)
    times[:] = words[:count].view(np.int64)
    doubles: Values = np.ndarray((size + _MARGIN - 7,), "<f8", data, position, (1,))
    values[:] = doubles[stops[:count] - 8]
    values[valueless[:count]] = 0
    return position + stop


def _find_starts(octets: Octets, size: int) -> tuple[_Indices, Octets]:
    """Where points seem to start in the first `size` bytes, and of which usual kind they seem to be."""
    possible = octets[:size] == POINT
    possible &= octets[1 : size + 1] <= LONGEST_POINT
    starts = np.flatnonzero(possible)
    tags = octets[2:][starts].astype(np.uint16)
    tags <<= 8
    tags |= octets[1:][starts]
    kinds = _KINDS.take(tags)
    usual = kinds != 0
    return (starts, kinds) if usual.all() else (starts[usual], kinds[usual])


def _chain(starts: _Indices, stops: _Indices, end: int) -> _Flags | None:
    """Which of the starts follow from the first one, each where the one before stops; None if they all do."""
    breaks = np.flatnonzero(starts[1:] != stops[:-1])
    if not len(breaks) and stops[-1] <= end:
        return None
    follows: _Flags = np.ones(len(starts), np.bool_)
    current = 0
    for _ in range(_MOST_REPAIRS):
        broken = int(np.searchsorted(breaks, current))
        if broken == len(breaks):
            break
        last = int(breaks[broken])
        current = int(np.searchsorted(starts, stops[last]))
        follows[last + 1 : current] = False
        if current == len(starts) or starts[current] != stops[last]:
            follows[current:] = False
            break
    else:
        follows[current + 1 :] = False
    follows &= stops <= end
    return follows


def _read_times(octets: Octets, starts: _Indices, kinds: Octets) -> tuple[Words, _Flags]:
    """The timestamps of points, and of which points the kind was right so far."""
    groups: Words = np.ndarray((len(octets) - 10,), "<u8", octets, 3, (1,))[starts]
    doubtful = np.flatnonzero(kinds == _SHORT_TIME_AND_VALUE)
    if len(doubtful):  # the longest timestamp without a value makes a point of the same length
        kinds[doubtful[groups[doubtful] & np.uint64(0x80) != 0]] = _LONGEST_TIME_ALONE
    sizes = kinds & _TIME_BYTES
    longest = int(sizes.max())
    # This leaves groups of seven bits where the high bits are as they should be, and a high bit elsewhere.
    if longest == sizes.min():
        groups ^= _HIGH_BITS[longest]
        groups &= _WHOLE_BYTES[longest]
    else:
        groups ^= _HIGH_BITS.take(sizes)
        groups &= _WHOLE_BYTES.take(sizes)
    right: _Flags = groups & _CONTINUATIONS == 0
    close_gaps(groups, longest)
    if longest > IN_A_WORD:
        long = np.flatnonzero(sizes > IN_A_WORD)
        is_longest = sizes[long] == LONGEST
        ninth, tenth = octets[starts[long] + 11], octets[starts[long] + 12]
        groups[long] |= top_bits(ninth, tenth * is_longest)
        right[long] &= (ninth >= 0x80) == is_longest
        right[long] &= (tenth < 0x80) | ~is_longest
    return groups, right


def _kinds() -> Octets:
    """By tag * 256 + length: the kind of a point that begins with these, 0 if none is usual."""
    kinds = np.zeros((256, 256), np.uint8)
    kinds[:, 0] = _USUAL
    kinds[VALUE, 9] = _USUAL | _HAS_VALUE
    for time_bytes in range(1, LONGEST + 1):
        kinds[TIME, 1 + time_bytes] = _USUAL | time_bytes
    for time_bytes in range(1, LONGEST + 1):
        kinds[TIME, 1 + time_bytes + 9] = _USUAL | _HAS_VALUE | time_bytes
    return kinds.reshape(-1)


def _lengths() -> Octets:
    """By kind: the bytes of a whole point."""
    lengths = np.full(256, 2, np.uint8)
    for kind in range(256):
        time_bytes = kind & _TIME_BYTES
        lengths[kind] += (1 + time_bytes if time_bytes else 0) + (9 if kind & _HAS_VALUE else 0)
    return lengths


def _by_size(byte: int, less: int) -> Words:
    """By the bytes of a timestamp: the first eight of them, all being `byte`, but for the last `less`."""
    return np.array(
        [
            int.from_bytes(bytes([byte]) * min(max(size - less, 0), IN_A_WORD), "little")
            for size in range(_TIME_BYTES + 1)
        ],
        np.uint64,
    )


_KINDS: Final = _kinds()
_LENGTHS: Final = _lengths()
_HIGH_BITS: Final = _by_size(0x80, 1)
_WHOLE_BYTES: Final = _by_size(0xFF, 0)
