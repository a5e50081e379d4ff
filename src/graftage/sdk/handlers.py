"""Which method of a data source answers which query. Light, as it is loaded before the handshake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graftage.errors import PluginFault
from graftage.sdk.data_source import CHECK_HEALTH, FALLBACK, QUERY_ALL, QUERY_TYPES

DEFAULT_CONCURRENCY = 10


class Handlers(NamedTuple):
    """The handlers of one kind of data source, by the names of their methods.

    by_type: method name by query type. fallback: the method for all other types, None when there is none.
    concurrency: how many queries of one call run at the same time. all_at_once: the method that answers all
    queries of a call, instead of the others; None when there is none.
    """

    by_type: Mapping[str, str]
    fallback: str | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    all_at_once: str | None = None

    @property
    def methods(self) -> frozenset[str]:
        return frozenset(self.by_type.values()) | ({self.fallback} if self.fallback else frozenset())

    def method_for(self, query_type: str) -> str:
        """The method that answers queries of this type. Raises PluginFault naming the known types."""
        method = self.by_type.get(query_type, self.fallback)
        if method is None:
            known = ", ".join(repr(name) for name in sorted(self.by_type))
            raise PluginFault(f"no handler for query type {query_type!r}; this data source knows {known}")
        return method


class FunctionSource:
    """A data source that is a single function: `serve(query=fn)`."""

    def __init__(self, query: Callable[..., Any]) -> None:
        self.query = query


def has(source: object, name: str) -> bool:
    """Has it, a class or an object, a method of this name?"""
    return callable(getattr(source, name, None))


def answers_queries(source: object) -> bool:
    return has(source, QUERY_ALL) or has(source, FALLBACK) or bool(_by_type(source))


def answers_health(source: object) -> bool:
    return has(source, CHECK_HEALTH)


def handlers_of(source: object) -> Handlers:
    """Find the handlers of a data source: a class, or an object that serves as it is.

    Raises PluginFault when it cannot serve, saying what to change.
    """
    by_type = _by_type(source)
    fallback = by_type.pop("", None) or (FALLBACK if has(source, FALLBACK) else None)
    name = _class_of(source).__name__
    concurrency = _concurrency(source, name)
    if has(source, QUERY_ALL):
        others = sorted({*by_type.values(), *([fallback] if fallback else [])})
        if others:
            raise PluginFault(
                f"{name} has {QUERY_ALL}, which answers all queries, and {', '.join(others)}; keep one way"
            )
        return Handlers({}, None, concurrency, QUERY_ALL)
    if not by_type and fallback is None:
        raise PluginFault(
            f"{name} answers no query; give it a method `async def query(self, query)`, "
            'or methods decorated by @query_type("a type")'
        )
    return Handlers(by_type, fallback, concurrency)


def _class_of(source: object) -> type:
    return source if isinstance(source, type) else type(source)


def _by_type(source: object) -> dict[str, str]:
    """Method name by query type; of a class and its bases, what the class says counts."""
    found: dict[str, str] = {}
    for owner in reversed(_class_of(source).__mro__):
        found |= _decorated(owner)
    return found


def _decorated(owner: type) -> dict[str, str]:
    """Method name by query type of what this class itself decorates."""
    found: dict[str, str] = {}
    for name, attribute in vars(owner).items():
        for query_type in getattr(attribute, QUERY_TYPES, ()):
            if query_type in found:
                raise PluginFault(
                    f"{owner.__name__} has two handlers for query type {query_type!r}: "
                    f"{found[query_type]} and {name}; keep one"
                )
            found[query_type] = name
    return found


def _concurrency(source: object, name: str) -> int:
    limit = getattr(source, "concurrent_queries", DEFAULT_CONCURRENCY)
    if not isinstance(limit, int) or limit < 1:
        raise PluginFault(f"{name}.concurrent_queries is {limit!r}; it must be a number from 1 on")
    return limit
