"""How an author answers HTTP requests for routes of the plugin's own. Light: loaded before the handshake.

@resource("GET", "/stations/{name}")
async def station(self, request, name):
    return {"name": name}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graftage.sdk.arguments import Arguments
from graftage.sdk.errors import check_status
from graftage.sdk.marks import RESOURCES
from graftage.sdk.paths import PathPattern
from graftage.sdk.router import Route

_F = TypeVar("_F", bound=Callable[..., Any])


def resource(method: str, path: str | None = None) -> Callable[[_F], _F]:
    """Make a method the handler of these requests; several decorators make it that of several.

    path: `/stations/{name}` hands the part of the path on as the argument `name`; `/files/{rest:path}` hands
    on all that is left. The argument beside those is the ResourceRequest; a handler can do without.

    It returns what is sent as JSON (a dict, a list, a dataclass), text, bytes, None for an empty answer with
    status 204, or a ResourceResponse. One that yields sends text or bytes piece by piece. What it raises is
    answered with the status of the error and its text.
    """
    if not isinstance(method, str) or not isinstance(path, str):
        raise TypeError(
            '@resource takes a method of HTTP and a path, as in @resource("GET", "/stations/{name}")'
        )
    pattern = PathPattern(path)

    def mark(handler: _F) -> _F:
        route = Route(method.upper(), pattern, Arguments.of(handler, pattern.names, path))
        setattr(handler, RESOURCES, (route, *getattr(handler, RESOURCES, ())))
        return handler

    return mark


@dataclass(frozen=True, slots=True)
class ResourceResponse:
    """An answer with a status or headers of its own.

    body: what a handler may return without it, or an iterator, plain or async, of text or bytes. headers: a
    text, or several, by name. Without `Content-Type` it is told by the body.
    """

    body: object = None
    status: int = 200
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_status(self.status)
