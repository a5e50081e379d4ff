"""How long our code takes for a task, in times of what another library takes for it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median

from bench.number import Number

ROUNDS = 9


def ratio(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], target: float | None = None
) -> Number:
    """The two in turn, so that a slow moment of the machine hits both; the median of each."""
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(ROUNDS)]
    one, other = median(mine for mine, _ in pairs), median(their for _, their in pairs)
    return Number(name, one / other, "times", target, note=f"{one * 1000:.1f} / {other * 1000:.1f} ms")


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    result = work()
    taken = time.perf_counter() - started
    del result  # a million messages take long to free; that is not the call
    return taken
