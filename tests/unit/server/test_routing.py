from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from graftage.server.routing import Route, RouteTable


async def handler(request: Request) -> Response:
    return Response()


TABLE = RouteTable(
    Route(pattern, {"GET": handler}, exact=pattern in ("/", "/api/health"))
    for pattern in (
        "/",
        "/api/health",
        "/api/datasources",
        "/api/datasources/:id",
        "/api/datasources/:id/health",
        "/api/datasources/name/:name",
        "/api/datasources/proxy/:id",
        "/api/datasources/proxy/:id/*",
    )
)


@pytest.mark.parametrize(
    ("path", "pattern", "parameters"),
    [
        ("/", "/", {}),
        ("/api/health", "/api/health", {}),
        ("/api/datasources", "/api/datasources", {}),
        ("/api/datasources/", "/api/datasources", {}),
        ("/api/datasources/2", "/api/datasources/:id", {"id": "2"}),
        ("/api/datasources/2/", "/api/datasources/:id", {"id": "2"}),
        ("/api/datasources/%32", "/api/datasources/:id", {"id": "2"}),
        ("/api/datasources/name", "/api/datasources/:id", {"id": "name"}),
        ("/api/datasources/name/a+b%2Fc%20d", "/api/datasources/name/:name", {"name": "a+b/c d"}),
        ("/api/datasources/name/%C3%A9", "/api/datasources/name/:name", {"name": "é"}),
        ("/api/datasources/name/health", "/api/datasources/name/:name", {"name": "health"}),
        ("/api/datasources/7/health", "/api/datasources/:id/health", {"id": "7"}),
        ("/api/datasources/proxy/1", "/api/datasources/proxy/:id", {"id": "1"}),
        ("/api/datasources/proxy/1/", "/api/datasources/proxy/:id", {"id": "1"}),
        (
            "/api/datasources/proxy/1//a%2Fb//../",
            "/api/datasources/proxy/:id/*",
            {"id": "1", "*": "/a%2Fb//../"},
        ),
    ],
)
def test_a_path_leads_to_the_most_particular_route(
    path: str, pattern: str, parameters: dict[str, str]
) -> None:
    match = TABLE.match(path)
    assert match is not None
    assert (match.route.pattern, match.parameters) == (pattern, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "/API/health",
        "/api",
        "/api/health/",
        "/api//datasources",
        "/api/datasources//",
        "/api/datasources/2//",
        "/api/datasources/2/nothing",
        "/api/datasources/name/a/b",
        "/api/datasources//health",
    ],
)
def test_any_other_path_leads_nowhere(path: str) -> None:
    assert TABLE.match(path) is None


def test_head_is_served_where_get_is_and_a_star_serves_any_method() -> None:
    async def other(request: Request) -> Response:
        return Response()

    assert Route("/", {"GET": handler}).handler("HEAD") is handler
    assert Route("/", {"GET": handler, "HEAD": other}).handler("HEAD") is other
    assert Route("/", {"POST": handler}).handler("HEAD") is None
    assert Route("/", {"GET": handler}).handler("OPTIONS") is None
    assert Route("/", {"GET": handler, "*": other}).handler("PROPFIND") is other


@pytest.mark.parametrize(("first", "second"), [("/a", "/a"), ("/a/:id", "/a/:uid/b")])
def test_routes_that_cannot_stand_beside_each_other_are_a_mistake(first: str, second: str) -> None:
    with pytest.raises(ValueError, match=r"another route|two routes"):
        RouteTable([Route(first, {}), Route(second, {})])
