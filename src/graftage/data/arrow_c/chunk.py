"""Rows of an Arrow array, and the memory in which they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from graftage.data.arrow_c.structs import ArrowArray

VALIDITY, VALUES, DATA = 0, 1, 2  # the buffers of most layouts


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` rows of an array from row `start` of its buffers on.

    Arrays that it returns are views of the producer's memory, to be copied before the array is released.
    """

    array: ArrowArray
    start: int
    length: int

    @classmethod
    def whole(cls, array: ArrowArray) -> Chunk:
        return cls(array, array.offset, array.length)

    def child(self, index: int) -> Chunk:
        """The same rows of a struct's child: the offset of a struct counts for its children, too."""
        child = self.array.child(index)
        return Chunk(child, child.offset + self.start, self.length)

    def items(self, index: int, first: int, last: int) -> Chunk:
        """Rows `first` to `last` of a list's child."""
        child = self.array.child(index)
        return Chunk(child, child.offset + first, last - first)

    def rows(self, buffer: int, dtype: DTypeLike, *, more: int = 0) -> NDArray[Any]:
        """The part of a buffer with one value for each row, and `more` behind them."""
        dtype = np.dtype(dtype)
        if not self.length:  # an empty array may have no buffer at all
            return np.zeros(more, dtype)
        return memory_at(self.array.buffers[buffer] + self.start * dtype.itemsize, dtype, self.length + more)

    def bits(self, buffer: int) -> NDArray[np.bool_]:
        """The part of a buffer with one bit for each row."""
        if not self.length:
            return np.zeros(0, np.bool_)
        first, skipped = divmod(self.start, 8)
        packed = memory_at(self.array.buffers[buffer] + first, np.uint8, (skipped + self.length + 7) // 8)
        return np.unpackbits(packed, bitorder="little")[skipped : skipped + self.length].view(np.bool_)

    def valid(self) -> NDArray[np.bool_] | None:
        """True where a value is present; None when none is missing."""
        if self.array.null_count == 0 or not self.array.buffers[VALIDITY]:
            return None
        present = self.bits(VALIDITY)
        return None if present.all() else present


def memory_at(address: int, dtype: DTypeLike, count: int) -> NDArray[Any]:
    """`count` values at an address, as a read-only view. Who holds the memory has to outlive it."""
    if not count:
        return np.zeros(0, dtype)
    return np.asarray(_Memory(address, np.dtype(dtype), count))


class _Memory:
    """Memory of somebody else, for NumPy. Source: NumPy, "The array interface protocol"."""

    def __init__(self, address: int, dtype: np.dtype[Any], count: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),
            "typestr": dtype.str,
            "shape": (count,),
        }
