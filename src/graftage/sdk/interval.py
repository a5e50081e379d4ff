"""Intervals as Grafana writes them: `10s`, `1h30m`, `<5m`, `1d`, `2M`.

Source: grafana/grafana-plugin-sdk-go, backend/gtime/gtime.go; Go's `time.ParseDuration`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import timedelta
from typing import Final

from graftage.sdk.errors import DownstreamError

_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(days=365.25)
_CALENDAR: Final = {"d": _DAY, "w": 7 * _DAY, "M": _YEAR / 12, "y": _YEAR}
_CLOCK: Final = {  # in microseconds; the second "µs" has the Greek letter, which Go takes as well
    "ns": 0.001, "us": 1, "µs": 1, "μs": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6,
}  # fmt: skip
_TEXT_UNITS: Final = {
    "y": 365 * _DAY,  # of so many days, as nothing here says which year is meant
    "d": _DAY,
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_CALENDAR_TEXT: Final = re.compile(r"([0-9]+)([dwMy])")
_CLOCK_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_CLOCK_TEXT: Final = re.compile(rf"([+-]?)((?:{_CLOCK_PART.pattern})+)")

# Up to the first number of milliseconds, an interval is rounded to the second one.
_ROUNDING: Final = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000),
    (3_500, 2_000), (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000),
    (90_000, 60_000), (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000),
    (1_500_000, 1_200_000), (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000),
    (16_200_000, 10_800_000), (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000),
)  # fmt: skip
_BOUNDS: Final = [timedelta(milliseconds=bound) for bound, _ in _ROUNDING]
_TWO_YEARS: Final = timedelta(days=730)


class InvalidInterval(DownstreamError):
    """A text that is no interval. Whoever wrote the query has to change it."""


def parse_interval(text: str) -> timedelta:
    """An interval: a number of days, weeks, months or years (`2M`), a duration of Go (`1h30m`, `1.5s`), or a
    number of seconds (`90`). `<` and `>` around it mean nothing here.

    A month is a twelfth of 365.25 days; what is below a microsecond is rounded. Raises InvalidInterval.
    """
    plain = text.removeprefix("<").removesuffix(">")
    try:
        if plain.isascii() and plain.isdigit():
            return timedelta(seconds=int(plain))
        if match := _CALENDAR_TEXT.fullmatch(plain):
            return int(match[1]) * _CALENDAR[match[2]]
        if match := _CLOCK_TEXT.fullmatch(plain):
            parts = [float(number) * _CLOCK[unit] for number, unit in _CLOCK_PART.findall(match[2])]
            return timedelta(microseconds=sum(parts)) * (-1 if match[1] == "-" else 1)
    except OverflowError:
        raise InvalidInterval(f"the interval {text!r} is too long") from None
    raise InvalidInterval(
        f"{text!r} is no interval; expected one such as 30s, 1h30m, 7d or a number of seconds"
    )


def interval_text(interval: timedelta) -> str:
    """The interval in whole units of the largest that fits, the rest cut off: 90 seconds are `1m`."""
    for unit, size in _TEXT_UNITS.items():
        if interval >= size:
            return f"{interval // size}{unit}"
    return "1ms"


def effective_interval(
    query_text: str, query_interval: timedelta, source_minimum: str, default: timedelta
) -> timedelta:
    """The first that says something: the text of the query (unless empty or `0s`), the interval that the host
    sent (unless 0), the data source's minimum, the default. Raises InvalidInterval."""
    if query_text not in ("", "0s"):
        return parse_interval(query_text)
    return query_interval or (parse_interval(source_minimum) if source_minimum else default)


def round_interval(interval: timedelta) -> timedelta:
    """The interval that people would choose: 40 seconds are half a minute."""
    place = bisect_left(_BOUNDS, interval)
    if place < len(_ROUNDING):
        return timedelta(milliseconds=_ROUNDING[place][1])
    return 30 * _DAY if interval < _TWO_YEARS else 365 * _DAY
