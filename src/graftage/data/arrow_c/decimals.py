"""Decimals as the nearest floating point numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.arrow_c.chunk import VALUES, Chunk

# Up to these, integers and powers of ten are exact as floats, and one division rounds correctly.
_MOST_EXACT: Final = 2**53
_MOST_EXACT_SCALE: Final = 22


def floats_from_decimals(chunk: Chunk, bits: int, scale: int) -> NDArray[np.float64]:
    """Integers of 128 or 256 bits, each to be divided by the power of ten `scale`; 0 where missing."""
    integers = chunk.rows(VALUES, f"V{bits // 8}")
    words = integers.view(np.int64).reshape(-1, bits // 64)
    lowest = words[:, 0]
    exact = (np.abs(lowest) <= _MOST_EXACT) & (lowest != np.iinfo(np.int64).min)
    exact &= (words[:, 1:] == (lowest >> 63)[:, np.newaxis]).all(axis=1)
    if not 0 <= scale <= _MOST_EXACT_SCALE:
        exact[:] = False
    valid = chunk.valid()
    floats = np.zeros(chunk.length)
    np.divide(lowest, 10.0 ** min(max(scale, 0), _MOST_EXACT_SCALE), out=floats, where=exact)
    rest = ~exact if valid is None else ~exact & valid
    for row in np.flatnonzero(rest):  # long ones only, which Python divides without rounding twice
        integer = int.from_bytes(integers[row].tobytes(), "little", signed=True)
        floats[row] = integer / 10**scale if scale >= 0 else float(integer * 10**-scale)
    if valid is not None:
        floats[~valid] = 0
    return floats
