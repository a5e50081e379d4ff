"""The states of a plugin's process, and how long it waits for its next start."""

from __future__ import annotations

import pytest

from graftage.host.supervision import (
    BackOff,
    Due,
    Event,
    Exited,
    NotStarted,
    Standing,
    Started,
    State,
    StopAsked,
    next_standing,
)

EXACT = BackOff(jitter=0.0)

WORDS: dict[str, Event] = {
    "started": Started(),
    "not-started": NotStarted(),
    "hopeless": NotStarted(hopeless=True),
    "died-young": Exited(lived=59.9),
    "died-old": Exited(lived=60.0),
    "due": Due(),
    "stop": StopAsked(),
}


def after(events: str, policy: BackOff = EXACT, chance: float = 0.0) -> list[Standing]:
    """The standings that these events lead through."""
    standings = [Standing()]
    for word in events.split():
        standings.append(next_standing(standings[-1], WORDS[word], policy, chance))
    return standings


def states(events: str) -> str:
    return ", ".join(standing.state for standing in after(events))


def waits(events: str) -> list[float]:
    return [standing.wait for standing in after(events) if standing.wait]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("", "starting"),
        ("started", "starting, running"),
        ("not-started due started", "starting, backing off, starting, running"),
        ("started died-young due started", "starting, running, backing off, starting, running"),
        ("hopeless due hopeless", "starting, failed, starting, failed"),
        ("hopeless due started", "starting, failed, starting, running"),
        ("stop", "starting, stopped"),
        ("started stop", "starting, running, stopped"),
        ("not-started stop stop", "starting, backing off, stopped, stopped"),
        ("hopeless stop", "starting, failed, stopped"),
    ],
)
def test_the_states_follow_the_documented_table(events, expected):
    assert states(events) == expected


@pytest.mark.parametrize(
    "events",
    ["due", "died-young", "started started", "started not-started", "not-started started", "stop started"],
)
def test_what_cannot_happen_is_an_error(events):
    with pytest.raises(ValueError, match="cannot happen"):
        after(events)


@pytest.mark.parametrize("failure", ["not-started", "started died-young"])
def test_the_wait_doubles_from_a_second_to_a_minute(failure):
    assert waits(" due ".join([failure] * 9)) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_plugin_has_failed_when_its_wait_has_grown_to_the_longest():
    final = [standing.state for standing in after(" due ".join(["not-started"] * 7)) if standing.wait]
    assert final == [State.BACKING_OFF] * 6 + [State.FAILED]


def test_a_hopeless_start_waits_the_longest_at_once():
    assert waits("hopeless") == [60]


def test_a_long_life_makes_the_next_death_the_first_one():
    assert waits("not-started due not-started due started died-old due started died-young") == [1, 2, 1, 2]


def test_a_short_life_does_not_end_the_row():
    assert waits("not-started due not-started due started died-young") == [1, 2, 4]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 2.0), (0.5, 1.5), (1.0, 1.0)])
def test_chance_only_shortens_a_wait(chance, wait):
    assert after("not-started due not-started", BackOff(jitter=0.5), chance)[-1].wait == wait


def test_the_first_wait_is_never_longer_than_a_second():
    assert all(after("started died-old", BackOff(), chance)[-1].wait <= 1.0 for chance in (0.0, 0.5, 0.999))


def test_a_row_of_failures_without_end_can_be_counted():
    assert EXACT.wait(10**6) == 60


@pytest.mark.parametrize("wrong", [{"first": 0}, {"first": 61}, {"jitter": 1.5}, {"jitter": -0.1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="BackOff"):
        BackOff(**wrong)
