"""Which handler answers a request for one of a plugin's own HTTP routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from graftage.errors import PluginFault
from graftage.sdk.arguments import Arguments
from graftage.sdk.paths import PathPattern, Paths

GET, HEAD = "GET", "HEAD"


class Route(NamedTuple):
    """What a decorator says. method: of HTTP, in upper case."""

    method: str
    pattern: PathPattern
    arguments: Arguments


class Found(NamedTuple):
    """handler: the name of the author's method. parameters: of the path, by name."""

    handler: str
    arguments: Arguments
    parameters: Mapping[str, str]


class NoRoute(NamedTuple):
    """allowed: the methods that the path has, in order; none when there is no such path."""

    allowed: tuple[str, ...]


class Router:
    """routes: with the names of their handlers. Raises PluginFault when two answer the same requests."""

    def __init__(self, routes: Iterable[tuple[str, Route]]) -> None:
        named = list(routes)
        _check_distinct(named)
        self._paths = Paths((route.pattern, (handler, route)) for handler, route in named)

    def find(self, method: str, path: str) -> Found | NoRoute:
        """HEAD is answered by the handler for GET where it has none of its own."""
        matching = [
            (route.method, Found(handler, route.arguments, parameters))
            for (handler, route), parameters in self._paths.matching(path)
        ]
        for wanted in (HEAD, GET) if method == HEAD else (method,):
            for offered, found in matching:
                if offered == wanted:
                    return found
        methods = {offered for offered, _ in matching}
        return NoRoute(tuple(sorted(methods | ({HEAD} if GET in methods else set()))))


def _check_distinct(routes: Iterable[tuple[str, Route]]) -> None:
    known: dict[object, str] = {}
    for handler, route in routes:
        key = (route.method, route.pattern.shape)
        if key in known:
            raise PluginFault(
                f"{known[key]} and {handler} both answer {route.method} {route.pattern.text!r}; keep one"
            )
        known[key] = handler
