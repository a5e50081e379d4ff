"""How a process ended."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """A status given by the process itself, or the signal that ended it; neither when nobody could see it.

    why: the host's reason to end it, when it did; empty for a process that ended by itself or was stopped.
    """

    code: int | None = None
    signal: int | None = None
    why: str = ""

    @property
    def clean(self) -> bool:
        """Did the process say that all is well?"""
        return self.code == 0

    def __str__(self) -> str:
        how = "unknown status"
        if self.signal is not None:
            how = f"signal {self.signal} ({_name(self.signal)})"
        elif self.code is not None:
            how = f"status {self.code}"
        return f"{how} because {self.why}" if self.why else how


@dataclass(frozen=True, slots=True)
class Lost(ExitStatus):
    """The end of a plugin whose process is none of the host's: it cannot be reached any more. why: says how
    that was seen.
    """

    def __str__(self) -> str:
        return self.why


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unnamed"  # the real-time signals between the first and the last have no names
