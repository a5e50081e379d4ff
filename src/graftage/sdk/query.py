"""The query that a handler is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graftage.backend.context import User
from graftage.sdk.context import RequestContext
from graftage.sdk.headers import Headers
from graftage.sdk.host_query import Host
from graftage.sdk.settings import Settings
from graftage.sdk.stream import channel

if TYPE_CHECKING:
    from graftage.sdk.macros import Macro
    from graftage.sdk.sql_dialects import Dialect

Model = TypeVar("Model")

FROM_ALERT = "FromAlert"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The span a query asks for: milliseconds since 1970, and the texts the user wrote (`now-6h`), which only
    hosts of version 1 tell."""

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
    headers: what came along, such as `headers["X-Team"]` or `headers["FromAlert"]`, in any case of letters.
    context: where the call comes from.
    """

    ref_id: str
    model: Model
    time_range: TimeRange
    settings: Settings[Any]
    query_type: str = ""
    interval: timedelta = timedelta(seconds=1)
    max_data_points: int = 100
    headers: Mapping[str, str] = field(default_factory=Headers)
    context: RequestContext = field(default_factory=RequestContext)
    _cancelled: Event = field(default_factory=Event, repr=False, compare=False)

    @property
    def host(self) -> Host:
        """Through which to ask other data sources of the host, by default over this query's time range:
        `await query.host.query("uid", "A", {"expr": "up"})`."""
        return replace(self.context.host, time_range=self.time_range)

    def channel(self, path: str) -> str:
        """The address of a channel of this data source. `Response(frame, meta={"channel": ...})` makes a
        panel go on with what `@stream` sends there. Raises ValueError for a path that no channel can have."""
        return channel(self.settings.uid, path)

    @property
    def user(self) -> User | None:
        """Who asks; None for alert rules, and where the host does not say."""
        return self.context.user

    @property
    def is_alert(self) -> bool:
        """Does an alert rule ask? Variables such as `$__interval` are still in its model then."""
        return self.headers.get(FROM_ALERT, "") == "true"

    @property
    def cancelled(self) -> bool:
        """Has the host given this query up? Worth asking now and then in a handler that takes long: an
        `async` one is cancelled, but a plain function runs on unless it looks here."""
        return self._cancelled.is_set()

    def expand(
        self, text: str, *, dialect: Dialect | None = None, macros: Mapping[str, Macro] | None = None
    ) -> str:
        """The text with `$__timeFilter(column)`, `${__from}`, `$__interval` and the like replaced, as
        `graftage.sdk.macros.expand` tells. Binding `parameters()` is safer where it will do."""
        from graftage.sdk.macros import expand

        return expand(text, self, dialect=dialect, macros=macros)

    def parameters(self) -> dict[str, Any]:
        """Values to bind in a statement: `from`, `to`, `from_ms`, `to_ms`, `interval_ms`, and
        `max_data_points`."""
        from graftage.sdk.macros import parameters

        return parameters(self)


@dataclass(frozen=True, slots=True)
class Queries(Generic[Model]):
    """All queries of one call, for `query_all`: `for query in request`. Those that cannot be understood are
    answered already and not among them."""

    queries: tuple[Query[Model], ...]
    settings: Settings[Any]
    headers: Mapping[str, str] = field(default_factory=Headers)
    context: RequestContext = field(default_factory=RequestContext)
    _cancelled: Event = field(default_factory=Event, repr=False, compare=False)

    def __iter__(self) -> Iterator[Query[Model]]:
        return iter(self.queries)

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def cancelled(self) -> bool:
        """Has the host given this call up?"""
        return self._cancelled.is_set()
