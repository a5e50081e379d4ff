"""How much goes through, in the long run and at once."""

from __future__ import annotations

import pytest

from graftage.host.allowance import Allowance


def test_a_burst_goes_through_at_once_and_then_the_rate() -> None:
    allowance = Allowance(per_second=10, burst=5)
    assert [allowance.take(1, now=0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [allowance.take(1, now=0.2) for _ in range(3)] == [True, True, False]
    assert sum(allowance.take(1, now=0.2 + tick / 100) for tick in range(1000)) == pytest.approx(100, abs=2)


def test_what_is_not_used_is_kept_up_to_the_burst() -> None:
    allowance = Allowance(per_second=10, burst=5)
    allowance.take(5, now=0.0)
    assert [allowance.take(1, now=3600.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_full_allowance_is_enough_for_anything() -> None:
    allowance = Allowance(per_second=10, burst=5)
    assert allowance.take(1000, now=0.0)
    assert not allowance.take(1, now=0.0)


def test_what_is_borrowed_is_paid_back_with_time() -> None:
    allowance = Allowance(per_second=10, burst=5)
    assert allowance.borrow(5, now=0.0) == 0
    assert allowance.borrow(20, now=0.0) == pytest.approx(2.0)
    assert allowance.borrow(0, now=1.5) == pytest.approx(0.5)
    assert allowance.borrow(0, now=2.0) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance(per_second=10, burst=1)
    assert allowance.take(1, now=10.0)
    assert not allowance.take(1, now=5.0)
    assert allowance.take(1, now=5.2)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_an_allowance_of_nothing_is_a_mistake(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        Allowance(rate, burst)
