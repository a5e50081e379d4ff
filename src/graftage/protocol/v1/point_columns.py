"""Points while they are being read: two columns that grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]


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
            likely += likely // 64  # it is an estimate, and growing again would copy everything
            room = start + max(count, likely, start // 2)
            times, values = np.empty(room, np.int64), np.empty(room, np.float64)
            times[:start], values[:start] = self._times[:start], self._values[:start]
            self._times, self._values = times, values
        return self._times[start : self._length], self._values[start : self._length]

    def take_back(self, count: int) -> None:
        """Forget the last `count` points."""
        self._length -= count

    def finish(self) -> tuple[Times, Values]:
        """The columns at their length."""
        times, values = self._times[: self._length], self._values[: self._length]
        if 4 * self._length < 3 * len(self._times):  # keep no memory that nobody can see
            return times.copy(), values.copy()
        return times, values
