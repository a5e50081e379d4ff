"""Points that are laid out alike: every byte of one is a fixed distance from that byte of the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from graftage.protocol.v1.point_columns import PointColumns
from graftage.protocol.v1.timestamps import IN_A_WORD, LONGEST, Octets, Words, close_gaps, top_bits

POINT: Final = 0x1A
TIME: Final = 0x08
VALUE: Final = 0x11

LONGEST_POINT: Final = 1 + LONGEST + 1 + 8  # bytes, without tag and length
_HEAD: Final = 16  # bytes of a point that hold everything but its value
_FEWEST_ALIKE: Final = 8  # points; fewer are read faster one by one
_GROUPS: Final = [np.uint64(int.from_bytes(b"\x7f" * size, "little")) for size in range(IN_A_WORD + 1)]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is in a point.

    stride: its bytes. time_bytes: those of the varint, 0 without a timestamp. windows: where to load eight
    bytes, which of their bits matter, and what they are in a point that is laid out like this. reach: where
    the last load ends.
    """

    stride: int
    time_bytes: int
    has_value: bool
    windows: tuple[tuple[int, np.uint64, np.uint64], ...]
    reach: int


def layout_at(data: bytes, position: int, end: int) -> Layout | None:
    """How the point at `position` is laid out; None if in no usual way, or cut short."""
    start = position + 2
    if start > end or data[position + 1] > LONGEST_POINT or start + data[position + 1] > end:
        return None
    stop = start + data[position + 1]
    time_bytes = 0
    inside = start
    if inside < stop and data[inside] == TIME:
        inside += 1
        while inside < stop and data[inside] >= 0x80:
            inside += 1
        inside += 1
        time_bytes = inside - start - 1
        if inside > stop or time_bytes > LONGEST:
            return None
    if inside == stop:
        return _layout(time_bytes, has_value=False)
    if inside + 9 == stop and data[inside] == VALUE:
        return _layout(time_bytes, has_value=True)
    return None


@cache
def _layout(time_bytes: int, *, has_value: bool) -> Layout:
    stride = 2 + (1 + time_bytes if time_bytes else 0) + (9 if has_value else 0)
    pattern, mask = bytearray([POINT, stride - 2]), bytearray([0xFF, 0xFF])
    if time_bytes:
        pattern += bytes([TIME, *[0x80] * (time_bytes - 1), 0])
        mask += bytes([0xFF, *[0x80] * time_bytes])
    if has_value:
        pattern.append(VALUE)
        mask.append(0xFF)
    offsets = [0] if len(pattern) <= 8 else [0, len(pattern) - 8]
    windows = tuple((offset, _word(mask, offset), _word(pattern, offset)) for offset in offsets)
    reach = max(stride, _HEAD if time_bytes else 8)
    return Layout(stride, time_bytes, has_value, windows, reach)


def _word(octets: bytearray, offset: int) -> np.uint64:
    return np.uint64(int.from_bytes(octets[offset : offset + 8], "little"))


def count_in_reach(data: bytes, position: int, end: int, layout: Layout, most: int) -> int:
    """How many points like the one at `position` to try, none of whose loads leaves the data.

    0 if they would be too few to be worth arrays, or if the next lengths show already that they are not
    alike.
    """
    in_message = (end - position) // layout.stride
    in_data = (len(data) - position - layout.reach) // layout.stride + 1
    count = min(in_message, in_data, most)
    ahead = slice(position + 1, position + 1 + _FEWEST_ALIKE * layout.stride, layout.stride)
    if count < _FEWEST_ALIKE or data[ahead].count(layout.stride - 2) < _FEWEST_ALIKE:
        return 0
    return count


def read_alike(
    data: bytes, position: int, end: int, layout: Layout, count: int, columns: PointColumns
) -> int:
    """Append those of the next `count` points that are laid out like the first one; how many they are."""
    strides = (layout.stride,)
    different: Words | None = None
    for offset, mask, pattern in layout.windows:
        words: Words = np.ndarray((count,), "<u8", data, position + offset, strides) & mask
        words ^= pattern
        different = words if different is None else np.bitwise_or(different, words, out=different)
    assert different is not None, "every layout has a window"
    if np.count_nonzero(different):
        count = int((different != 0).argmax())
    times, values = columns.extend(count, likely=(end - position) // layout.stride)
    if layout.time_bytes:
        groups = np.ndarray((count,), "<u8", data, position + 3, strides)
        words = np.bitwise_and(groups, _GROUPS[min(layout.time_bytes, IN_A_WORD)], out=times.view(np.uint64))
        close_gaps(words, layout.time_bytes)
        if layout.time_bytes > IN_A_WORD:
            ninth: Octets = np.ndarray((count,), np.uint8, data, position + 11, strides)
            tenth: Octets = np.ndarray((count,), np.uint8, data, position + 12, strides)
            words |= top_bits(ninth, tenth if layout.time_bytes == LONGEST else np.zeros_like(tenth))
    else:
        times[:] = 0
    values[:] = (
        np.ndarray((count,), "<f8", data, position + layout.stride - 8, strides) if layout.has_value else 0
    )
    return count
