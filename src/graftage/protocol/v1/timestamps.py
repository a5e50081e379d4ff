"""Timestamps on the wire: varints of up to ten bytes of seven bits, eight of which are read as a word."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Words = NDArray[np.uint64]

LONGEST: Final = 10  # bytes
IN_A_WORD: Final = 8  # of these

_ALL_GROUPS: Final = np.uint64(0x00FFFFFFFFFFFFFF)
# The upper half of the groups: of all eight when they are closed up, of fours, of pairs.
_UPPER_HALVES: Final = (
    (np.uint64(4), np.uint64(0x00FFFFFFF0000000)),
    (np.uint64(2), np.uint64(0x0FFFC0000FFFC000)),
    (np.uint64(1), np.uint64(0x3F803F803F803F80)),
)


def close_gaps(words: Words, size: int) -> None:
    """Move the groups of varints of up to `size` bytes together, each having been in a byte of its own."""
    for gap, upper in reversed(_UPPER_HALVES):
        if size > gap:
            moved = words & (upper << gap)
            words ^= moved
            moved >>= gap
            words |= moved


def open_gaps(words: Words) -> Words:
    """The low eight groups of numbers, each in a byte of its own."""
    opened = words & _ALL_GROUPS
    for gap, upper in _UPPER_HALVES:
        moved = opened & upper
        opened ^= moved
        moved <<= gap
        opened |= moved
    return opened


def top_bits(ninth: Octets, tenth: Octets) -> Words:
    """Bits 56 to 63 of a number from the last bytes of its varint. What 64 bits cannot hold is lost."""
    bits: Words = (ninth & 0x7F).astype(np.uint64) << np.uint64(56)
    bits |= tenth.astype(np.uint64) << np.uint64(63)
    return bits
