"""Which handler answers a request, and what is said when none does."""

from __future__ import annotations

import pytest

from graftage.errors import PluginFault
from graftage.sdk.arguments import Arguments
from graftage.sdk.paths import PathPattern
from graftage.sdk.router import Found, NoRoute, Route, Router


def router(*routes: str) -> Router:
    """Each route is written as `METHOD path handler`."""
    parts = (route.split(" ") for route in routes)
    return Router((name, Route(method, PathPattern(path), Arguments(None))) for method, path, name in parts)


ROUTER = router(
    "GET /stations list_all",
    "POST /stations add",
    "GET /stations/new form",
    "GET /stations/{name} one",
    "DELETE /stations/{name} remove",
    "HEAD /big size",
    "GET /big big",
)


@pytest.mark.parametrize(
    ("method", "path", "handler", "parameters"),
    [
        ("GET", "/stations", "list_all", {}),
        ("POST", "stations/", "add", {}),
        ("GET", "/stations/new", "form", {}),
        ("GET", "/stations/EDDB", "one", {"name": "EDDB"}),
        ("DELETE", "/stations/new", "remove", {"name": "new"}),
        ("HEAD", "/stations", "list_all", {}),
        ("HEAD", "/big", "size", {}),
    ],
)
def test_a_request_finds_its_handler(
    method: str, path: str, handler: str, parameters: dict[str, str]
) -> None:
    assert ROUTER.find(method, path) == Found(handler, Arguments(None), parameters)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/nowhere", ()),
        ("PUT", "/stations", ("GET", "HEAD", "POST")),
        ("POST", "/stations/new", ("DELETE", "GET", "HEAD")),
        ("get", "/stations", ("GET", "HEAD", "POST")),
    ],
)
def test_without_a_handler_the_methods_of_the_path_are_told(
    method: str, path: str, allowed: tuple[str, ...]
) -> None:
    assert ROUTER.find(method, path) == NoRoute(allowed)


def test_two_handlers_of_the_same_requests_are_one_too_many() -> None:
    with pytest.raises(PluginFault, match=r"one and other both answer GET '/a/\{y\}'; keep one"):
        router("GET /a/{x} one", "GET /a/{y} other")
