"""Timestamps on the wire: varints of up to ten bytes, seven bits in each, of which eight bytes fit into one word."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Words = NDArray[np.uint64]

LONGEST: Final = 10  # bytes
IN_A_WORD: Final = 8  # of these

_ODD_BYTES: Final = np.uint64(0x7F007F007F007F00)
_ODD_PAIRS: Final = np.uint64(0x3FFF00003FFF0000)
_ODD_FOURS: Final = np.uint64(0x0FFFFFFF00000000)
_ALL_GROUPS: Final = np.uint64(0x00FFFFFFFFFFFFFF)


def close_gaps(words: Words, size: int) -> None:
    """Move the groups of seven bits of varints of up to `size` bytes together: as pairs, as fours, as all eight."""
    for odd, gap in ((_ODD_BYTES, 1), (_ODD_PAIRS, 2), (_ODD_FOURS, 4)):
        if size > gap:
            moved = words & odd
            words ^= moved
            moved >>= np.uint64(gap)
            words |= moved


def open_gaps(words: Words) -> Words:
    """The low eight groups of seven bits, each in a byte of its own."""
    spread = words & _ALL_GROUPS
    for odd, gap in ((_ODD_FOURS, 4), (_ODD_PAIRS, 2), (_ODD_BYTES, 1)):
        moved = spread & (odd >> np.uint64(gap))
        ...


def top_bits(ninth: Octets, tenth: Octets) -> Words:
    """Bits 56 to 63 of a number from the last bytes of its varint. What does not fit in 64 bits is lost, as ever."""
    bits: Words = (ninth & 0x7F).astype(np.uint64) << np.uint64(56)
    bits |= tenth.astype(np.uint64) << np.uint64(63)
    return bits
