from __future__ import annotations

import pytest

from graftage.server.live.standing import NEXT, Event, State, failures_in_a_row, wait_seconds


def states(events: str) -> str:
    """The states after each of these events, beginning with one that is idle."""
    state = State.IDLE
    passed = []
    for event in events.split():
        state = NEXT.get((state, Event(event)), state)
        passed.append(state)
    return " ".join(passed)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("wanted wanted unwanted wanted", "running running idle running"),
        ("wanted failed wanted due failed due", "running waiting waiting running waiting running"),
        ("wanted failed unwanted due", "running waiting idle idle"),
        ("wanted failed changed", "running waiting running"),
        ("wanted finished due changed failed wanted", "running idle idle idle idle running"),
        ("changed due failed finished", "idle idle idle idle"),
    ],
)
def test_a_stream_runs_while_it_is_wanted(events: str, expected: str) -> None:
    assert states(events) == expected


@pytest.mark.parametrize(("before", "lasted", "failures"), [(0, 0.1, 1), (3, 4.9, 4), (3, 5.0, 1), (0, 9, 1)])
def test_a_run_that_lasted_begins_a_new_row_of_failures(before: int, lasted: float, failures: int) -> None:
    assert failures_in_a_row(before, lasted) == failures


def test_the_wait_doubles_up_to_a_limit() -> None:
    assert [wait_seconds(failures) for failures in (1, 2, 3, 4, 6, 7, 10_000)] == [
        0.1,
        0.2,
        0.4,
        0.8,
        3.2,
        5.0,
        5.0,
    ]
