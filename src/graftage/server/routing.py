"""Which handler answers a path, by the rules Grafana's router follows.

Starlette's own router would answer 405 for another method, redirect where a slash is too many, and cannot
tell ``/name/a%2Fb`` from ``/name/a/b``. This one works on the path as it was sent: static paths are one
dictionary look-up, which is what a query costs, and the others a walk down a tree of segments.

Source: grafana 7.5, pkg/api/routing and its fork of macaron, router.go and tree.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[WebSocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """Handlers of one path by method. HEAD is served where GET is.

    pattern: segments between slashes; ``:name`` stands for one, percent-decoded, ``*`` at the end for all
    that follow, as they were sent. handlers: the method ``*`` is any. exact: a trailing slash is not
    accepted. bare: the answer is somebody else's, so that caching it is not the server's to decide. caches:
    the handler says itself how its answers may be cached. socket: who talks to a WebSocket opened there.
    """

    pattern: str
    handlers: Mapping[str, Handler]
    exact: bool = False
    bare: bool = False
    caches: bool = False
    socket: SocketHandler | None = None

    def handler(self, method: str) -> Handler | None:
        found = self.handlers.get(method)
        if found is None and method == "HEAD":
            found = self.handlers.get("GET")
        return found or self.handlers.get("*")


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a path, and what its placeholders stand for."""

    route: Route
    parameters: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    """What can follow a piece of path: a fixed segment before a placeholder, that before the rest."""

    route: Route | None = None
    fixed: dict[str, _Node] = field(default_factory=dict)
    placeholder: _Node | None = None
    name: str = ""
    rest: Route | None = None


class RouteTable:
    """All routes of the server."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._static: dict[str, Match] = {}
        self._root = _Node()
        for route in routes:
            self._add(route)

    def match(self, path: str) -> Match | None:
        """The route of a path as it was sent, percent-encoded; None if there is none."""
        found = self._static.get(path)
        if found is not None:
            return found
        segments = path.split("/")[1:]
        parameters: dict[str, str] = {}
        route = _walk(self._root, segments, 0, parameters)
        return None if route is None else Match(route, parameters)

    def _add(self, route: Route) -> None:
        if ":" not in route.pattern and "*" not in route.pattern:
            match = Match(route, {})
            for path in (route.pattern,) if route.exact else (route.pattern, f"{route.pattern}/"):
                if path in self._static:
                    raise ValueError(f"two routes for {path}; give one of them all the methods")
                self._static[path] = match
            return
        node = self._root
        for segment in route.pattern.split("/")[1:]:
            if segment == "*":
                node.rest = route
                return
            if segment.startswith(":"):
                if node.placeholder is None:
                    node.placeholder = _Node()
                    node.name = segment[1:]
                if node.name != segment[1:]:
                    raise ValueError(f"{route.pattern} calls {segment} what another route calls :{node.name}")
                node = node.placeholder
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.route = route


def _walk(node: _Node, segments: list[str], position: int, parameters: dict[str, str]) -> Route | None:
    if position == len(segments):
        return node.route
    segment = segments[position]
    if not segment and position == len(segments) - 1 and node.route is not None and not node.route.exact:
        return node.route
    if segment in node.fixed:
        found = _walk(node.fixed[segment], segments, position + 1, parameters)
        if found is not None:
            return found
    if node.placeholder is not None and segment:
        found = _walk(node.placeholder, segments, position + 1, parameters)
        if found is not None:
            parameters[node.name] = unquote(segment)
            return found
    if node.rest is not None:
        parameters["*"] = "/".join(segments[position:])
        return node.rest
    return None
