"""How the stream of a channel stands: whether the plugin is asked to run it, and what follows on what.

Source: grafana, pkg/services/live/runstream/manager.go (`Manager.runStream`, `watchStream`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import ldexp
from typing import Final

FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 5.0
# A run that lasted so long is no failed start.
STEADY_SECONDS: Final = 5.0


class State(StrEnum):
    IDLE = "idle"  # not asked: nobody listens, or the plugin said that there is no more to come
    RUNNING = "running"
    WAITING = "waiting"  # to ask again, since the last run failed


class Event(StrEnum):
    WANTED = "wanted"  # somebody subscribed
    UNWANTED = "unwanted"  # the last subscriber has been away for long enough
    FINISHED = "finished"  # the plugin ended the stream
    FAILED = "failed"
    DUE = "due"  # the wait is over
    CHANGED = "changed"  # the settings of the data source are others now


# What is not in here changes nothing. To be RUNNING anew is to be asked anew.
NEXT: Final[Mapping[tuple[State, Event], State]] = {
    (State.IDLE, Event.WANTED): State.RUNNING,
    (State.IDLE, Event.UNWANTED): State.IDLE,
    (State.RUNNING, Event.FINISHED): State.IDLE,
    (State.RUNNING, Event.FAILED): State.WAITING,
    (State.RUNNING, Event.CHANGED): State.RUNNING,
    (State.RUNNING, Event.UNWANTED): State.IDLE,
    (State.WAITING, Event.DUE): State.RUNNING,
    (State.WAITING, Event.CHANGED): State.RUNNING,
    (State.WAITING, Event.UNWANTED): State.IDLE,
}


def failures_in_a_row(before: int, lasted: float) -> int:
    """How many runs have failed one after the other, with one that failed after `lasted` seconds."""
    return 1 if lasted >= STEADY_SECONDS else before + 1


def wait_seconds(failures: int) -> float:
    """How long to wait after so many failures, at least one."""
    return min(LONGEST_WAIT_SECONDS, ldexp(FIRST_WAIT_SECONDS, min(failures - 1, 10)))
