"""The query that a handler is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Generic, TypeVar

from graftage.sdk.settings import Settings

Model = TypeVar("Model")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The span a query asks for: milliseconds since 1970, and the texts the user wrote (`now-6h`)."""

    from_ms: int
    to_ms: int
    from_raw: str = ""
    to_raw: str = ""

    @property
    def start(self) -> datetime:
        return _EPOCH + timedelta(milliseconds=self.from_ms)

    @property
    def end(self) -> datetime:
        return _EPOCH + timedelta(milliseconds=self.to_ms)


@dataclass(frozen=True, slots=True)
class Query(Generic[Model]):
    """One query of a panel or an alert rule.

    model: what the query's editor stored, decoded into the type by which a handler annotates its argument
    (`query: Query[Forecast]`), a plain dict without. interval: the step that suits the panel's width.
    """

    ref_id: str
    model: Model
    time_range: TimeRange
    settings: Settings[Any]
    query_type: str = ""
    interval: timedelta = timedelta(seconds=1)
    max_data_points: int = 100
    headers: Mapping[str, str] = field(default_factory=dict)
    _cancelled: Event = field(default_factory=Event, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Has the host given this query up? Worth asking now and then in a handler that takes long: an
        `async` one is cancelled, but a plain function runs on unless it looks here."""
        return self._cancelled.is_set()
