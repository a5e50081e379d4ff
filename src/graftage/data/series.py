"""A time series as protocol version 1 knows it: points in time with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Named points in the order in which they were given.

    times: int64 milliseconds since 1970. values: float64; NaN is a gap. Both of one length.
    """

    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.times.shape != self.values.shape or self.times.ndim != 1:
            raise ValueError(
                f"series {self.name!r} has times of shape {self.times.shape} and values of shape "
                f"{self.values.shape}; both must be flat and equally long"
            )
        if self.times.dtype != np.int64 or self.values.dtype != np.float64:
            raise ValueError(
                f"series {self.name!r} has {self.times.dtype} times and {self.values.dtype} values; "
                "expected int64 and float64"
            )

    def __len__(self) -> int:
        return len(self.times)
