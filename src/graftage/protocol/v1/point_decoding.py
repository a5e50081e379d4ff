"""The points of a series, from protobuf to arrays: a million of them in the time protobuf takes to parse them.

A point on the wire is `1a <length>`, then `08 <timestamp, a varint of 1 to 10 bytes>` unless it is 0, then
`11 <value, 8 bytes>` unless it is 0. There are three ways to read them, each taking over where another one stops:

- `_read_alike`: points that are laid out like the first one, so that every byte position is a strided view.
- `_read_mixed`: points of any of the usual layouts. Their starts are found by looking for `1a` before a plausible
  length, and keeping those that follow from each other.
- `_walk`: anything else that protobuf allows (fields in another order, twice, or unknown), point by point.

All work on a few thousand points at a time, so that intermediate arrays stay in the processor's cache.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftage.protocol.v1.wire import FIXED64, VARINT, read_fields, read_length, signed

Times = NDArray[np.int64]
Values = NDArray[np.float64]
_Words = NDArray[np.uint64]
_Octets = NDArray[np.uint8]
_Indices = NDArray[np.intp]
_Flags = NDArray[np.bool_]

_POINT: Final = 0x1A
_TIME: Final = 0x08
_VALUE: Final = 0x11
_LONGEST_TIME: Final = 10  # bytes of a varint
_LONGEST_POINT: Final = 1 + _LONGEST_TIME + 1 + 8  # bytes, without tag and length

_TYPICAL_POINT: Final = 18  # bytes, with a timestamp of our days in milliseconds and a value
_CHUNK: Final = 8192  # points read at once; each intermediate array is 64 KiB then
_PROBE: Final = 64  # points tried at least, and a run that is not short
_FEWEST_ALIKE: Final = 8  # fewer are read faster one by one
_BLOCK: Final = 1 << 17  # bytes looked through at once for points of mixed layout
_FEWEST_MIXED: Final = 512  # bytes that are worth it
_HEAD: Final = 16  # bytes of a point that hold everything but its value
_MARGIN: Final = 24  # bytes that are looked at behind the last start in a block
_MOST_REPAIRS: Final = 256  # wrong starts in one block; after more the block ends there
_LONGEST_WALK: Final = 4096  # points

_DOUBLE: Final = struct.Struct("<d")
_HIGH_BITS: Final = np.uint64(0x8080808080808080)
_ODD_BYTES: Final = np.uint64(0x7F007F007F007F00)
_ODD_PAIRS: Final = np.uint64(0x3FFF00003FFF0000)
_ODD_FOURS: Final = np.uint64(0x0FFFFFFF00000000)
_GROUP_MASKS: Final = [np.uint64(int.from_bytes(b"\x7f" * count, "little")) for count in range(9)]

# A kind of point: the bytes of its varint in the low bits, and flags.
_TIME_BYTES: Final = 0x0F
_HAS_VALUE: Final = 0x10
_USUAL: Final = 0x80
_SHORT_TIME_AND_VALUE: Final = _USUAL | _HAS_VALUE | 1


class PointColumns:
    """Times and values that grow at their end."""

    __slots__ = ("_length", "_times", "_values")

    def __init__(self) -> None:
        self._length = 0
        self._times: Times = np.empty(0, np.int64)
        self._values: Values = np.empty(0, np.float64)

    def extend(self, count: int, *, likely: int = 0) -> tuple[Times, Values]:
        """Views of `count` new points to be filled in. likely: how many may come in all, from here on."""
        start, self._length = self._length, self._length + count
        if self._length > len(self._times):
            room = start + max(count, likely, start // 2)
            times, values = np.empty(room, np.int64), np.empty(room, np.float64)
            times[:start], values[:start] = self._times[:start], self._values[:start]
            self._times, self._values = times, values
        return self._times[start : self._length], self._values[start : self._length]

    def finish(self) -> tuple[Times, Values]:
        """The columns at their length."""
        times, values = self._times[: self._length], self._values[: self._length]
        if 4 * self._length < 3 * len(self._times):  # keep no memory that nobody can see
            return times.copy(), values.copy()
        return times, values


def read_points(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append the points that stand one after the other in `data[position:end]`, and return where they stop.

    They begin with a point's tag, and stop before the first other tag or at `end`. Raises WireError.
    """
    attempt = _CHUNK
    short_runs = 0
    patience = 1
    while position < end and data[position] == _POINT:
        before = position
        run = 0
        layout = _layout_at(data, position, end)
        if layout is not None and (count := _count_in_reach(data, position, end, layout, attempt)):
            run = _read_alike(data, position, end, layout, count, columns)
            position += run * layout.stride
            attempt = min(max(2 * run, _PROBE), _CHUNK)
        short_runs = short_runs + 1 if run < _PROBE else 0
        if short_runs > 1:  # one short run is an exception, such as a first value of 0
            position = _read_mixed(data, position, end, columns)
        if position > before:
            patience = 1
        else:
            position = _walk(data, position, end, columns, patience)
            patience = min(2 * patience, _LONGEST_WALK)
    return position


def _walk(data: bytes, position: int, end: int, columns: PointColumns, most: int) -> int:
    """Append up to `most` points one by one, and return where they stop."""
    read: list[tuple[int, float]] = []
    while len(read) < most and position < end and data[position] == _POINT:
        start, position = read_length(data, position + 1, end)
        time, value = 0, 0.0
        for number, wire_type, content, _ in read_fields(data, start, position):
            if number == 1 and wire_type == VARINT:
                time = signed(content)
            elif number == 2 and wire_type == FIXED64:
                (value,) = _DOUBLE.unpack_from(data, content)
        read.append((time, value))
    times, values = columns.extend(len(read), likely=len(read) + (end - position) // _TYPICAL_POINT)
    times[:], values[:] = zip(*read, strict=True)
    return position


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything is in a point.

    stride: its bytes. time_bytes: those of the varint, 0 without a timestamp. windows: where to load eight bytes,
    which of their bits matter, and what they are in a point that is laid out like this. reach: where the last load
    ends.
    """

    stride: int
    time_bytes: int
    has_value: bool
    windows: tuple[tuple[int, np.uint64, np.uint64], ...]
    reach: int


def _layout_at(data: bytes, position: int, end: int) -> _Layout | None:
    """How the point at `position` is laid out; None if in no usual way, or cut short."""
    start = position + 2
    if start > end or data[position + 1] > _LONGEST_POINT or start + data[position + 1] > end:
        return None
    stop = start + data[position + 1]
    time_bytes = 0
    inside = start
    if inside < stop and data[inside] == _TIME:
        inside += 1
        while inside < stop and data[inside] >= 0x80:
            inside += 1
        inside += 1
        time_bytes = inside - start - 1
        if inside > stop or time_bytes > _LONGEST_TIME:
            return None
    if inside == stop:
        return _layout(time_bytes, has_value=False)
    if inside + 9 == stop and data[inside] == _VALUE:
        return _layout(time_bytes, has_value=True)
    return None


@cache
def _layout(time_bytes: int, *, has_value: bool) -> _Layout:
    stride = 2 + (1 + time_bytes if time_bytes else 0) + (9 if has_value else 0)
    pattern, mask = bytearray([_POINT, stride - 2]), bytearray([0xFF, 0xFF])
    if time_bytes:
        pattern += bytes([_TIME, *[0x80] * (time_bytes - 1), 0])
        mask += bytes([0xFF, *[0x80] * time_bytes])
    if has_value:
        pattern.append(_VALUE)
        mask.append(0xFF)
    offsets = [0] if len(pattern) <= 8 else [0, len(pattern) - 8]
    windows = tuple((offset, _word(mask, offset), _word(pattern, offset)) for offset in offsets)
    reach = max(stride, _HEAD if time_bytes else 8)
    return _Layout(stride, time_bytes, has_value, windows, reach)


def _word(octets: bytearray, offset: int) -> np.uint64:
    return np.uint64(int.from_bytes(octets[offset : offset + 8], "little"))


def _count_in_reach(data: bytes, position: int, end: int, layout: _Layout, most: int) -> int:
    """How many points like the one at `position` to try, none of whose loads leaves the data.

    0 if they would be too few to be worth arrays, or if the next lengths show already that they are not alike.
    """
    in_message = (end - position) // layout.stride
    in_data = (len(data) - position - layout.reach) // layout.stride + 1
    count = min(in_message, in_data, most)
    ahead = slice(position + 1, position + 1 + _FEWEST_ALIKE * layout.stride, layout.stride)
    if count < _FEWEST_ALIKE or data[ahead].count(layout.stride - 2) < _FEWEST_ALIKE:
        return 0
    return count


def _read_alike(
    data: bytes, position: int, end: int, layout: _Layout, count: int, columns: PointColumns
) -> int:
    """Append those of the next `count` points that are laid out like the first one; how many they are."""
    strides = (layout.stride,)
    different: _Words | None = None
    for offset, mask, pattern in layout.windows:
        words: _Words = np.ndarray((count,), "<u8", data, position + offset, strides) & mask
        words ^= pattern
        different = words if different is None else np.bitwise_or(different, words, out=different)
    assert different is not None, "every layout has a window"
    if np.count_nonzero(different):
        count = int((different != 0).argmax())
    times, values = columns.extend(count, likely=(end - position) // layout.stride)
    if layout.time_bytes:
        groups = np.ndarray((count,), "<u8", data, position + 3, strides)
        words = np.bitwise_and(groups, _GROUP_MASKS[min(layout.time_bytes, 8)], out=times.view(np.uint64))
        _close_gaps(words, layout.time_bytes)
        if layout.time_bytes > 8:
            ninth: _Octets = np.ndarray((count,), np.uint8, data, position + 11, strides)
            tenth: _Octets = np.ndarray((count,), np.uint8, data, position + 12, strides)
            words |= _top_bits(ninth, tenth if layout.time_bytes == _LONGEST_TIME else np.zeros_like(tenth))
    else:
        times[:] = 0
    values[:] = (
        np.ndarray((count,), "<f8", data, position + layout.stride - 8, strides) if layout.has_value else 0
    )
    return count


def _read_mixed(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append points of any usual layout, as many as are near, and return where they stop: maybe at once."""
    size = min(end - position, _BLOCK, len(data) - position - _MARGIN)
    if size < _FEWEST_MIXED:
        return position
    octets: _Octets = np.ndarray((size + _MARGIN,), np.uint8, data, position)
    starts = np.flatnonzero(octets[:size] == _POINT)
    lengths = octets[1:][starts]
    kinds = _KINDS.take(octets[2:][starts].astype(np.uint16) << 8 | lengths)
    usual = kinds != 0
    if not usual[0]:
        return position
    if not usual.all():
        starts, lengths, kinds = starts[usual], lengths[usual], kinds[usual]
    stops = starts + 2
    stops += lengths
    chain = _chain(starts, stops, end - position)
    if chain is not None:
        starts, stops, kinds = starts[chain], stops[chain], kinds[chain]
        if not len(starts):
            return position
    heads = np.ndarray((size,), f"V{_HEAD}", data, position, (1,))[starts].view(np.uint8).reshape(-1, _HEAD)
    words, right = _times_in(heads, kinds)
    has_value = kinds & _HAS_VALUE != 0
    right &= (octets[stops - 9] == _VALUE) | ~has_value
    count = len(right) if right.all() else int(right.argmin())
    if not count:
        return position
    stop = int(stops[count - 1])
    times, values = columns.extend(count, likely=(end - position) * count // stop + 1)
    times[:] = words[:count].view(np.int64)
    doubles: Values = np.ndarray((size + _MARGIN - 7,), "<f8", data, position, (1,))
    if has_value.all():
        values[:] = doubles[stops[:count] - 8]
    else:
        values[:] = 0
        present = np.flatnonzero(has_value[:count])
        values[present] = doubles[stops[present] - 8]
    return position + stop


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


def _times_in(heads: _Octets, kinds: _Octets) -> tuple[_Words, _Flags]:
    """The timestamps in the heads of points, and of which points the kind was right."""
    if (kinds == _SHORT_TIME_AND_VALUE).any():
        # As long is the longest timestamp without a value.
        kinds[(kinds == _SHORT_TIME_AND_VALUE) & (heads[:, 3] >= 0x80)] = _USUAL | _LONGEST_TIME
    groups: _Words = np.ndarray((len(heads),), "<u8", heads, 3, (_HEAD,))
    time_bytes = kinds & _TIME_BYTES
    if not time_bytes.all():
        groups = np.where(time_bytes != 0, groups, np.uint64(0))
    gaps = ~groups
    gaps &= _HIGH_BITS
    lasts = np.negative(gaps)
    lasts &= gaps  # the high bit of the varint's last byte; 0 if that is not among the first eight
    right = lasts == _LAST_BITS[kinds]
    words = lasts - np.uint64(1)
    words ^= lasts
    words &= groups
    words &= _GROUP_MASKS[8]
    _close_gaps(words, 8)
    long = np.flatnonzero(time_bytes > 8)
    if len(long):
        ninth, tenth = heads[long, 11], heads[long, 12]
        longest = time_bytes[long] == _LONGEST_TIME
        words[long] |= _top_bits(ninth, tenth * longest)
        right[long] &= (ninth >= 0x80) == longest
        right[long] &= (tenth < 0x80) | ~longest
    return words, right


def _close_gaps(words: _Words, time_bytes: int) -> None:
    """Move groups of seven bits, each in a byte of its own, together: as pairs, as fours, as all eight."""
    for odd, gap in ((_ODD_BYTES, 1), (_ODD_PAIRS, 2), (_ODD_FOURS, 4)):
        if time_bytes > gap:
            moved = words & odd
            words ^= moved
            moved >>= np.uint64(gap)
            words |= moved


def _top_bits(ninth: _Octets, tenth: _Octets) -> _Words:
    """Bits 56 to 63 of a number from the last bytes of its varint; what does not fit in 64 bits is lost, as ever."""
    bits: _Words = (ninth & 0x7F).astype(np.uint64) << np.uint64(56)
    bits |= tenth.astype(np.uint64) << np.uint64(63)
    return bits


def _kinds() -> _Octets:
    """By tag * 256 + length: what a point is likely to hold whose first tag and length these are, 0 if nothing."""
    kinds = np.zeros((256, 256), np.uint8)
    kinds[:, 0] = _USUAL
    kinds[_VALUE, 9] = _USUAL | _HAS_VALUE
    for time_bytes in range(1, _LONGEST_TIME + 1):
        kinds[_TIME, 1 + time_bytes] = _USUAL | time_bytes
    for time_bytes in range(1, _LONGEST_TIME + 1):
        kinds[_TIME, 1 + time_bytes + 9] = _USUAL | _HAS_VALUE | time_bytes
    return kinds.reshape(-1)


def _last_bits() -> _Words:
    """By kind: the high bit of the last byte of its varint, 0 if that is not among the first eight."""
    bits = np.zeros(256, np.uint64)
    for kind in range(256):
        time_bytes = max(kind & _TIME_BYTES, 1)  # without a timestamp a zero byte is read in its place
        bits[kind] = 1 << 8 * time_bytes - 1 if time_bytes <= 8 else 0
    return bits


_KINDS: Final = _kinds()
_LAST_BITS: Final = _last_bits()
