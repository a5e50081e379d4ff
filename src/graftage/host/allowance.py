"""How much somebody may use in the long run and at once: a token bucket. Time is an argument."""

from __future__ import annotations


class Allowance:
    """`per_second` units in the long run, at most `burst` at once; full at the beginning."""

    def __init__(self, per_second: float, burst: float) -> None:
        if per_second <= 0 or burst <= 0:
            raise ValueError(
                f"an allowance of {per_second} a second and {burst} at once lets nothing through"
            )
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, amount: float, now: float) -> bool:
        """Use `amount`, if there is so much left; a full allowance is enough for anything."""
        self._refill(now)
        amount = min(amount, self._burst)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def borrow(self, amount: float, now: float) -> float:
        """Use `amount` in any case; for how many seconds to use nothing, until that is paid back."""
        self._refill(now)
        self._left -= amount
        return max(0.0, -self._left / self._per_second)

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = now
