"""How an author says what a plugin answers. Loads nothing but this: it is imported before the handshake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from graftage.errors import GraftageError

QUERY_TYPES = "__graftage_query_types__"
FALLBACK = "query"  # the method for the query types that no other method names

_F = TypeVar("_F", bound=Callable[..., Any])


class PluginError(GraftageError):
    """Raise it in a handler to answer that query with this text; it is logged without a traceback."""


class DataSource:
    """A data source of this plugin: one object for each that is configured, until its settings change.

        class Weather(DataSource):
            async def query(self, query):
                return {"time": [query.time_range.start, query.time_range.end], "rain": [0.0, 1.5]}

    Deriving from it is optional: any class with a `query` method, or with methods decorated by `@query_type`,
    serves. Handlers are `async def` or `def`; a plain function runs in a worker thread. So does `__init__`:
    what must be created inside the event loop, or awaited, belongs in `async def setup(self)`. `close` or
    `aclose` is called when the object is no longer needed.
    """

    concurrent_queries: ClassVar[int] = 10
    """How many queries of one call run at the same time."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings


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
