"""Moments as Grafana's frames count them: nanoseconds since 1970 in UTC, in 64 bits."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# The first and the last moment that fit, in the unit of Python's datetime.
_FIRST: Final = np.datetime64("1677-09-21T00:12:43.145225", "us")
_LAST: Final = np.datetime64("2262-04-11T23:47:16.854775", "us")
# One nanosecond less would be NumPy's "not a time".
_MOST_NANOSECONDS: Final = 2**63 - 1
NANOSECONDS: Final = {  # in one of each unit, by NumPy's names
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "D": 86_400 * 1_000_000_000,
}
LAST_MILLISECOND: Final = _MOST_NANOSECONDS // NANOSECONDS["ms"]  # before 1970 it is as many
_LONG_UNITS: Final = ("Y", "M", "W")


def moments_from_counts(
    name: str, counts: NDArray[np.int64], unit: str, valid: NDArray[np.bool_] | None
) -> NDArray[np.datetime64]:
    """Counts of NumPy's `unit` (ns, us, ms, s, m, h or D) since 1970 as times of a field; 1970 where missing.

    Raises ValueError naming the column whose times 64 bits of nanoseconds cannot hold.
    """
    if valid is not None:
        counts = np.where(valid, counts, 0)
    nanoseconds = NANOSECONDS[unit]
    most = _MOST_NANOSECONDS // nanoseconds
    # Checked as integers: NumPy compares times of two units by converting, and wraps around.
    if counts.size and (counts.max() > most or counts.min() < -most):
        outside = counts[(counts > most) | (counts < -most)].view(f"datetime64[{unit}]")
        raise ValueError(f"column {name!r} holds {outside[0]}; expected times from {_FIRST} to {_LAST}")
    return (counts * nanoseconds).view("datetime64[ns]")


def moments_from_array(
    name: str, values: NDArray[Any]
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_] | None]:
    """NumPy's times of any unit as times of a field, and where they are present; NaT is a missing value.

    Raises ValueError like `moments_from_counts`.
    """
    present = ~np.isnat(values)
    valid = None if present.all() else present
    unit, multiple = np.datetime_data(values.dtype)
    if multiple != 1 or unit not in NANOSECONDS:
        unit = "D" if unit in _LONG_UNITS else "s" if unit in NANOSECONDS else "ns"
    counts = values.astype(f"datetime64[{unit}]", copy=False).view(np.int64)
    return moments_from_counts(name, counts, unit, valid), valid
