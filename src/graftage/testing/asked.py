"""What tests ask, written as a host writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from graftage.backend.query import Query, TimeRange
from graftage.sdk.interval import parse_interval

USUAL_SPAN = "1h"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def time_range(
    *, last: str | timedelta | None, start: datetime | int | None, end: datetime | int | None, now: datetime
) -> TimeRange:
    """The span that a query asks for. last: how long it is, which goes up to `end` or begins at `start`.

    start, end: datetimes with a zone, or milliseconds since 1970. end: `now` when it is not given. Raises
    TypeError for other times, for those without a zone, and for three bounds.
    """
    if last is not None and start is not None and end is not None:
        raise TypeError("a time range has two of last, start and end")
    length = parse_interval(last) if isinstance(last, str) else last
    first, behind = _moment("start", start), _moment("end", end)
    if first is not None:
        behind = behind or (first + length if length is not None else now)
    else:
        behind = behind or now
        first = behind - (length if length is not None else parse_interval(USUAL_SPAN))
    return TimeRange(_milliseconds(first), _milliseconds(behind))


def _moment(name: str, given: datetime | int | None) -> datetime | None:
    match given:
        case datetime(tzinfo=None):
            raise TypeError(f"{name} has no time zone; write datetime(..., tzinfo=UTC)")
        case None | datetime():
            return given
        case int():
            return _EPOCH + given * _MILLISECOND
        case _:
            raise TypeError(
                f"{name} is {type(given).__name__} {given!r}; expected a datetime with a time zone, or "
                "milliseconds since 1970"
            )


def query(ref_id: str, model: object, span: TimeRange, interval: timedelta | None, points: int) -> Query:
    """One query. model: a dict, a dataclass, a msgspec.Struct or a model of pydantic; None for an empty one.

    interval: None for what a panel of so many points would have.
    """
    stored = as_dict(model)
    step = interval // _MILLISECOND if interval is not None else (span.to_ms - span.from_ms) // max(points, 1)
    written = {"refId": ref_id, "intervalMs": max(step, 1), "maxDataPoints": points} | stored
    return Query(
        ref_id,
        json_text(written),
        max(step, 1),
        points,
        query_type=str(stored.get("queryType") or ""),
        time_range=span,
    )


def as_dict(model: object) -> dict[str, Any]:
    """Raises TypeError for what is no object of JSON."""
    if model is None:
        return {}
    dump = getattr(model, "model_dump", None)  # of pydantic, without asking for it
    plain = dump(mode="json", by_alias=True) if callable(dump) else msgspec.to_builtins(model)
    if not isinstance(plain, Mapping):
        raise TypeError(f"a {type(model).__name__} is no JSON object; expected a dict or a dataclass")
    return dict(plain)


def json_text(value: Mapping[str, Any]) -> str:
    return encoded(value).decode()


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def now() -> datetime:
    return datetime.now(UTC)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
