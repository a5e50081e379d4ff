"""The texts in which people write moments: milliseconds, ``now-6h``, ``now-1d/d``, ISO dates.

What is understood is the union of what Grafana 6.3 (Go durations such as ``1h30m``) and Grafana 7.5 (date
math) read. Where both fail they say 1970 without a word; here a text that is no moment is an error that says
what is. Another difference: a week begins on Monday even when today is a Sunday.

Sources: grafana, pkg/tsdb/models.go `ParseFrom` and `ParseTo`; Go's time.ParseDuration; timberio/go-datemath,
datemath.y.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from graftage.backend.query import TimeRange
from graftage.errors import BadRequest

ACCEPTED: Final = (
    'milliseconds since 1970 ("1555324640782"), "now", a span back from now ("6h", "now-1h30m"), date math '
    '("now-7d/d", "2019-04-15||+1M/w"; units y M w d b h m s) or an ISO date ("2019-04-15T10:37:20Z")'
)

_MAX_INT64: Final = 2**63 - 1
# No number of steps with more digits stays within the years that a calendar has; int() of an endless one is
# slow.
_MAX_DIGITS: Final = 18
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_MILLISECONDS: Final = re.compile(r"[+-]?[0-9]+")
_DURATION_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_STEP: Final = re.compile(r"(?P<sign>[+-])(?P<count>[0-9]*)(?P<unit>[yMwdbhHms])|/(?P<round>[yMwdhHms])")
_ISO: Final = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?:T(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


def parse_range(from_raw: str, to_raw: str, *, now: datetime) -> TimeRange:
    """The range between two texts; ``to`` is rounded to the end of a unit where ``from`` is to its beginning.

    A range that ends before it begins is passed on: what it means is the plugin's affair. Raises BadRequest.
    """
    return TimeRange(
        from_ms=parse_time(from_raw, now=now, round_up=False),
        to_ms=parse_time(to_raw, now=now, round_up=True),
        from_raw=from_raw,
        to_raw=to_raw,
    )


def parse_time(text: str, *, now: datetime, round_up: bool) -> int:
    """Milliseconds since 1970. Empty text is 0, as in Grafana: requests without a range are common.

    round_up: whether ``/d`` means the last millisecond of the day instead of the first.
    Raises BadRequest for a text that is no moment, and for a moment that 64 bits or the calendar cannot hold.
    """
    if not text:
        return 0
    try:
        moment = _read(text, now, round_up=round_up)
    except (OverflowError, ValueError) as error:
        raise BadRequest(
            f"the time {_quoted(text)} is in no calendar; check month, day and hour; years go from 1 to 9999"
        ) from error
    if moment is None:
        raise BadRequest(f"the time {_quoted(text)} cannot be read; expected {ACCEPTED}")
    if not -_MAX_INT64 - 1 <= moment <= _MAX_INT64:
        raise BadRequest(f"the time {_quoted(text)} is out of range; milliseconds must fit in 64 bits")
    return moment


def _read(text: str, now: datetime, *, round_up: bool) -> int | None:
    """The moment, or None when `text` has none of the forms. Raises ValueError, OverflowError."""
    if _MILLISECONDS.fullmatch(text):
        return _whole_number(text)
    if text == "now":
        return _milliseconds(now)
    span = _duration(text.removeprefix("now-"))
    if span is not None:
        return (_nanoseconds(now) - span) // 1_000_000
    return _date_math(text, now, round_up=round_up)


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS + 2:
        digits = digits[0] + digits[1:].lstrip("0")
        if len(digits) > _MAX_DIGITS + 2:
            raise OverflowError
    return int(digits)


def _duration(text: str) -> int | None:
    """A Go duration in nanoseconds: numbers with units, ``1h30m``, ``1.5h``, ``500ms``; also a bare ``0``."""
    if text == "0":
        return 0
    total = position = 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        if part is None:
            return None
        whole, fraction, unit = part.groups()
        if not whole and not fraction:
            return None
        if len(whole) > _MAX_DIGITS:
            raise OverflowError
        fraction = (fraction or "")[:_MAX_DIGITS]
        total += int(whole or 0) * _NANOSECONDS[unit]
        total += int(fraction or 0) * _NANOSECONDS[unit] // 10 ** len(fraction)
        position = part.end()
    return total if text else None


def _date_math(text: str, now: datetime, *, round_up: bool) -> int | None:
    """``now`` or an ISO date and ``||``, then steps from left to right; or an ISO date alone."""
    anchor, bars, steps = text.partition("||")
    if bars:
        moment = _iso_date(anchor) or _anchor_in_milliseconds(anchor)
    elif text.startswith("now"):
        moment, steps = now.astimezone(UTC), text.removeprefix("now")
    else:
        moment = _iso_date(text)
    if moment is None:
        return None
    position = 0
    while position < len(steps):
        step = _STEP.match(steps, position)
        if step is None:
            return None
        if unit := step["round"]:
            moment = _end(moment, unit) if round_up else _start(moment, unit)
        else:
            # A sign and a unit without a number is one step.
            count = _whole_number(step["sign"] + (step["count"] or "1"))
            moment = _STEPS[step["unit"]](moment, count)
        position = step.end()
    return _milliseconds(moment)


def _iso_date(text: str) -> datetime | None:
    """A date, cut short after any part (``2019-04`` is its first day). UTC unless it says otherwise."""
    match = _ISO.fullmatch(text)
    if match is None or (match["hour"] and not match["day"]):
        return None
    zone: timezone = UTC
    if match["zone"] and match["zone"] != "Z":
        hours, minutes = match["zone"].split(":")
        sign = -1 if hours.startswith("-") else 1
        zone = timezone(sign * timedelta(hours=abs(int(hours)), minutes=int(minutes)))
    return datetime(
        int(match["year"]),
        int(match["month"] or 1),
        int(match["day"] or 1),
        int(match["hour"] or 0),
        int(match["minute"] or 0),
        int(match["second"] or 0),
        int((match["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=zone,
    )


def _anchor_in_milliseconds(text: str) -> datetime | None:
    """Milliseconds as an anchor, as in ``1555324640782||/d``; fewer than five digits would be a year."""
    if len(text) < 5 or not text.isascii() or not text.isdigit():
        return None
    return _EPOCH + timedelta(milliseconds=_whole_number(text))


def _add_months(moment: datetime, count: int) -> datetime:
    """The same day of another month; a day that month lacks runs over into the next, as Go's AddDate does."""
    years, month = divmod(moment.month - 1 + count, 12)
    first = moment.replace(year=moment.year + years, month=month + 1, day=1)
    return first + timedelta(days=moment.day - 1)


def _add_business_days(moment: datetime, count: int) -> datetime:
    """Steps over Monday-to-Friday days; from a weekend the first step reaches Monday or Friday."""
    if count == 0:
        return moment
    direction = 1 if count > 0 else -1
    if moment.weekday() > 4:
        # Stand on the working day that the first step leaves from.
        moment -= direction * timedelta(days=moment.weekday() - 4 if count > 0 else 7 - moment.weekday())
    weeks, days = divmod(abs(count), 5)
    moment += direction * timedelta(weeks=weeks)
    for _ in range(days):
        moment += direction * timedelta(days=1)
        while moment.weekday() > 4:
            moment += direction * timedelta(days=1)
    return moment


_STEPS: Final[dict[str, Callable[[datetime, int], datetime]]] = {
    "y": lambda moment, count: _add_months(moment, 12 * count),
    "M": _add_months,
    "w": lambda moment, count: moment + timedelta(weeks=count),
    "d": lambda moment, count: moment + timedelta(days=count),
    "b": _add_business_days,
    "h": lambda moment, count: moment + timedelta(hours=count),
    "H": lambda moment, count: moment + timedelta(hours=count),
    "m": lambda moment, count: moment + timedelta(minutes=count),
    "s": lambda moment, count: moment + timedelta(seconds=count),
}


def _start(moment: datetime, unit: str) -> datetime:
    """The first moment of the year, month, week, day, hour, minute or second that `moment` lies in."""
    match unit:
        case "h" | "H":
            return _truncate(moment, timedelta(hours=1))
        case "m":
            return _truncate(moment, timedelta(minutes=1))
        case "s":
            return _truncate(moment, timedelta(seconds=1))
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "y":
            return midnight.replace(month=1, day=1)
        case "M":
            return midnight.replace(day=1)
        case "w":
            return midnight - timedelta(days=midnight.weekday())
        case _:
            return midnight


def _end(moment: datetime, unit: str) -> datetime:
    """The last millisecond of that unit."""
    return _STEPS[unit](_start(moment, unit), 1) - timedelta(milliseconds=1)


def _truncate(moment: datetime, unit: timedelta) -> datetime:
    # Counted from the epoch, not from local midnight: hours of a zone with half hours begin where UTC's do,
    # as in Go.
    return moment - (moment - _EPOCH) % unit


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _quoted(text: str) -> str:
    """The text for a message, cut so that a message stays a message."""
    return f'"{text}"' if len(text) <= 60 else f'"{text[:60]}…"'
