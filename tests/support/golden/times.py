"""What a text such as ``now-6h`` means: a second reading of it, to judge recorded and replayed moments by.

Everything that either recorded engine understands is understood (section 4.3 of the HTTP specification), with
weeks that begin on Monday.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = re.compile(r"([+-])(\d*)([yMwdbhHms])|/([yMwdhHms])")
_SPAN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SPAN_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3}
_FIXED = {"w": "weeks", "d": "days", "h": "hours", "H": "hours", "m": "minutes", "s": "seconds"}


def reading(text: str, now_ms: int, *, end: bool) -> int | None:
    """Milliseconds since 1970, or None for a text that is no moment; the empty text is 0.

    end: a rounding goes to the last millisecond of its unit.
    """
    if text == "":
        return 0
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text) if -(2**63) <= int(text) < 2**63 else None
    if text == "now":
        return now_ms
    span = _span(text.removeprefix("now-"))
    if span is not None:
        return int(now_ms - span)
    try:
        return _calendar(text, now_ms, end=end)
    except (ValueError, OverflowError):
        return None


def _span(text: str) -> float | None:
    if not re.fullmatch(f"({_SPAN.pattern})+", text):
        return None
    return sum(float(part[1]) * _SPAN_MS[part[2]] for part in _SPAN.finditer(text))


def _calendar(text: str, now_ms: int, *, end: bool) -> int | None:
    anchor, bars, steps = text.partition("||")
    if not bars and text.startswith("now"):
        moment, steps = _EPOCH + timedelta(milliseconds=now_ms), text.removeprefix("now")
    elif re.fullmatch(r"[0-9]{4}-[0-9]{2}(-[0-9]{2}(T\S+)?)?", anchor):
        moment = datetime.fromisoformat(anchor if len(anchor) > 7 else anchor + "-01")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    else:
        return None
    if _STEP.sub("", steps):
        return None
    for sign, count, unit, rounded in _STEP.findall(steps):
        if rounded:
            moment = _start(moment, rounded)
            moment = _moved(moment, 1, rounded) - timedelta(milliseconds=1) if end else moment
        else:
            moment = _moved(moment, int(sign + (count or "1")), unit)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moved(moment: datetime, count: int, unit: str) -> datetime:
    if unit in _FIXED:
        return moment + timedelta(**{_FIXED[unit]: count})
    if unit == "b":
        for _ in range(abs(count)):
            moment += timedelta(days=1 if count > 0 else -1)
            while moment.weekday() > 4:
                moment += timedelta(days=1 if count > 0 else -1)
        return moment
    # A day that the new month lacks runs over into the next one, as with Go's AddDate.
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "y" else 1)
    return moment.replace(year=months // 12, month=months % 12 + 1, day=1) + timedelta(days=moment.day - 1)


def _start(moment: datetime, unit: str) -> datetime:
    if unit in "hHms":
        return moment - (moment - _EPOCH) % timedelta(**{_FIXED[unit]: 1})
    moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        return moment - timedelta(days=moment.weekday())
    return moment.replace(day=1 if unit in "yM" else moment.day, month=1 if unit == "y" else moment.month)
