"""How an author says what a plugin answers. Loads nothing but this: it is imported before the handshake."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from graftage.sdk.metrics import Metrics

QUERY_TYPES = "__graftage_query_types__"
FALLBACK = "query"  # the method for the query types that no other method names
QUERY_ALL = "query_all"
CHECK_HEALTH = "check_health"

_F = TypeVar("_F", bound=Callable[..., Any])


class App:
    """What an organisation has of this app plugin: one object for each, until its settings change.

    Deriving from it is optional: any class with handlers serves. `__init__` runs in a worker thread: what
    must be created inside the event loop, or awaited, belongs in `async def setup(self)`. `close` or `aclose`
    is called when the object is no longer needed.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def metrics(self) -> Metrics:
        """The plugin's own counters and gauges, shown beside those that every plugin has."""
        from graftage.sdk.metrics import PLUGIN_METRICS

        return PLUGIN_METRICS


class DataSource(App):
    """A data source of this plugin: one object for each that is configured, until its settings change.

        class Weather(DataSource):
            async def query(self, query):
                return {"time": [query.time_range.start, query.time_range.end], "rain": [0.0, 1.5]}

    Any class with a `query` method serves as well, or with methods decorated by `@query_type`, or with
    `query_all(self, request)`, which answers all queries of a call at once, by refId. Handlers are
    `async def` or `def`, and may `yield` their data piece by piece; a plain function runs in a worker thread.
    """

    concurrent_queries: ClassVar[int] = 10
    """How many queries of one call run at the same time."""


def query_type(*query_types: str) -> Callable[[_F], _F]:
    """Make a method the handler of these query types: the `queryType` of a query's model.

    The method called `query` takes all other types.
    """
    if not query_types or not all(isinstance(name, str) for name in query_types):
        raise TypeError(
            '@query_type takes the query types that the method answers, as in @query_type("forecast")'
        )

    def mark(handler: _F) -> _F:
        setattr(handler, QUERY_TYPES, (*query_types, *getattr(handler, QUERY_TYPES, ())))
        return handler

    return mark
