"""Where points of any usual layout start: at `1a`, a length that a point may have, and a tag."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftage.protocol.v1.alike_points import LONGEST_POINT, POINT, TIME, VALUE
from graftage.protocol.v1.timestamps import Octets

Indices = NDArray[np.intp]

_MOST_REPAIRS: Final = 8  # times that wrong starts are dropped; after more, what stands behind one is left


def find_starts(octets: Octets, size: int) -> tuple[Indices, Octets]:
    """Starts in the first `size` bytes, each where the point before stops, and the lengths that stand there.

    size: even, and at least two less than there are `octets`.
    """
    possible = octets[:size] == POINT
    possible &= octets[1 : size + 1] <= LONGEST_POINT
    # Of two bytes in a row one at most is a possible start, as `1a` is no such length. Looking for pairs
    # takes half of the time, and they are frequent enough for NumPy to look without branches.
    starts = np.flatnonzero(possible.view(np.uint16) != 0)
    is_second = possible[1::2][starts]
    starts *= 2
    starts += is_second
    tags = octets[2:][starts]
    usual = tags == TIME
    if not usual.all():
        usual |= tags == VALUE
        usual |= tags == POINT  # of the next one, this being empty
        starts = starts[usual]
    return _follow(starts, octets[1:][starts])


def _follow(starts: Indices, sizes: Octets) -> tuple[Indices, Octets]:
    """Those that follow from the first one, each where the one before stops."""
    for _ in range(_MOST_REPAIRS):
        stops = starts + sizes
        stops += 2
        breaks = np.flatnonzero(starts[1:] != stops[:-1])
        if not len(breaks):
            return starts, sizes
        inner = breaks[breaks < len(starts) - 2]
        wrong = inner[starts[inner + 2] == stops[inner]] + 1  # inside a point, between it and the next one
        if not len(wrong):
            break
        starts, sizes = np.delete(starts, wrong), np.delete(sizes, wrong)
    return starts[: breaks[0] + 1], sizes[: breaks[0] + 1]
