"""Durations: frames have none, so that a duration is a number whose field says what it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# By the names of NumPy and Arrow: those of Grafana's `config.unit`.
GRAFANA_UNITS: Final[Mapping[str, str]] = {
    "ns": "ns", "us": "µs", "ms": "ms", "s": "s", "m": "m", "h": "h", "D": "d",
}  # fmt: skip

_MICROSECOND: Final = timedelta(microseconds=1)


def counts_from_timedeltas(name: str, values: Sequence[timedelta]) -> tuple[NDArray[np.int64], str]:
    """Python's timedeltas as counts, and Grafana's unit. Raises ValueError naming the column."""
    try:
        counts = np.array([value // _MICROSECOND for value in values], np.int64)
    except OverflowError as error:
        raise ValueError(
            f"column {name!r} holds durations from {min(values)} to {max(values)}; expected them to fit in "
            "int64 as microseconds"
        ) from error
    return counts, GRAFANA_UNITS["us"]


def counts_from_durations(
    name: str, values: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None, str]:
    """A timedelta64 array as counts (0 where one is missing), where they are present, and Grafana's unit.

    Raises ValueError naming the column.
    """
    unit, multiple = np.datetime_data(values.dtype)
    if unit not in GRAFANA_UNITS or multiple != 1:
        raise ValueError(
            f"column {name!r} is an array of {values.dtype}; expected timedelta64 of "
            f"{', '.join(GRAFANA_UNITS)}"
        )
    present = ~np.isnat(values)
    counts = values.astype(f"timedelta64[{unit}]", copy=False).view(np.int64)
    if present.all():
        return counts, None, GRAFANA_UNITS[unit]
    return np.where(present, counts, 0), present, GRAFANA_UNITS[unit]
