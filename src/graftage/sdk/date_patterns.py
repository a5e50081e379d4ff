"""Times by patterns such as `YYYY-MM-DD HH:mm`, as the browser writes them in UTC.

Source: moment.js, "Format" in its documentation, which Grafana's variables use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# No names by locale: a plugin's process may have any, or none.
_TOKENS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "YYYY": lambda time: f"{time.year:04}",
    "YY": lambda time: f"{time.year % 100:02}",
    "MMMM": lambda time: _MONTHS[time.month - 1],
    "MMM": lambda time: _MONTHS[time.month - 1][:3],
    "MM": lambda time: f"{time.month:02}",
    "M": lambda time: str(time.month),
    "DDDD": lambda time: f"{time.timetuple().tm_yday:03}",
    "DD": lambda time: f"{time.day:02}",
    "D": lambda time: str(time.day),
    "dddd": lambda time: _DAYS[time.weekday()],
    "ddd": lambda time: _DAYS[time.weekday()][:3],
    "HH": lambda time: f"{time.hour:02}",
    "H": lambda time: str(time.hour),
    "hh": lambda time: f"{time.hour % 12 or 12:02}",
    "h": lambda time: str(time.hour % 12 or 12),
    "mm": lambda time: f"{time.minute:02}",
    "m": lambda time: str(time.minute),
    "ss": lambda time: f"{time.second:02}",
    "s": lambda time: str(time.second),
    "SSS": lambda time: f"{time.microsecond // 1000:03}",
    "A": lambda time: "PM" if time.hour >= 12 else "AM",
    "a": lambda time: "pm" if time.hour >= 12 else "am",
    "ZZ": lambda time: "+0000",
    "Z": lambda time: "+00:00",
    "X": lambda time: str(int(time.timestamp())),
    "x": lambda time: str(round(time.timestamp() * 1000)),
}
_PIECE: Final = re.compile("|".join((r"\[[^\]]*\]", *sorted(_TOKENS, key=len, reverse=True))))


def by_pattern(time: datetime, pattern: str) -> str:
    """A time in UTC by a pattern; text in brackets stands for itself."""
    return _PIECE.sub(lambda piece: _written(time, piece[0]), pattern)


def iso(time: datetime) -> str:
    """A time in UTC as browsers write it, always with milliseconds."""
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _written(time: datetime, piece: str) -> str:
    return piece[1:-1] if piece.startswith("[") else _TOKENS[piece](time)
