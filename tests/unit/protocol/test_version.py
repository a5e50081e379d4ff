"""Which application protocol version is spoken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.protocol.version import choose_version, read_offer

SETTINGS = settings(deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("offer", "own", "chosen"),
    [
        ("1,2", {1}, 1),
        ("1,2", {2}, 2),
        ("1,2,5", {2, 3}, 2),
        ("4", {2, 3}, 2),  # the host reports that it cannot speak this
        ("", {2, 3}, 2),
        ("2, 3,x", {2, 3}, 3),
        ("1,2", {1, 2}, 2),
    ],
)
def test_the_highest_common_version_is_served_else_the_lowest_own(
    offer: str, own: set[int], chosen: int
) -> None:
    assert choose_version(own, read_offer(offer)[0]) == chosen


def test_entries_that_are_no_numbers_are_told_apart() -> None:
    assert read_offer("2, 3,x,,1.5,٣,") == (frozenset({2, 3}), ("x", "1.5", "٣"))


def test_numbers_may_have_a_sign() -> None:
    assert read_offer("+1,-2,+,--3") == (frozenset({1, -2}), ("+", "--3"))


def test_a_number_too_long_to_read_is_unreadable() -> None:
    assert read_offer("1," + "9" * 5000) == (frozenset({1}), ("9" * 5000,))


@SETTINGS
@given(st.text() | st.text("0123456789+-, ²٣"))
def test_any_offer_can_be_read(text: str) -> None:
    numbers, unreadable = read_offer(text)
    assert len(numbers) + len(unreadable) <= text.count(",") + 1
