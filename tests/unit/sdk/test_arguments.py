"""What a handler with a path is called with."""

from __future__ import annotations

from typing import Any

import pytest

from graftage.sdk.resource import resource
from graftage.sdk.stream import stream


class Handlers:
    def spec_order(self, request: Any, name: str) -> Any: ...
    def other_order(self, name: str, request: Any) -> Any: ...
    def without_request(self, name: str) -> Any: ...
    def with_default(self, name: str, anything: Any, limit: int = 3) -> Any: ...
    def lacks_name(self, request: Any) -> Any: ...
    def takes_more(self, request: Any, name: str, year: int) -> Any: ...
    def positional(self, name: str, /) -> Any: ...


@pytest.mark.parametrize("method", [Handlers.spec_order, Handlers.other_order, Handlers.with_default])
def test_parts_of_the_path_go_by_name_and_what_is_asked_is_the_argument_left(method: Any) -> None:
    def echo(**arguments: Any) -> dict[str, Any]:
        return arguments

    marked = stream("stations/{name}")(method)
    call = marked.run.arguments.bound(echo, {"name": "EDDB"}, "asked")

    assert sorted(call().values()) == ["EDDB", "asked"]
    assert call()["name"] == "EDDB"


def test_a_handler_can_do_without_what_is_asked() -> None:
    marked = stream("stations/{name}")(Handlers.without_request)

    assert marked.run.arguments.bound(Handlers().without_request, {"name": "EDDB"}, "asked")() is None


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        (Handlers.lacks_name, "Handlers.lacks_name has no argument 'name', which is a part of its path"),
        (Handlers.positional, "has no argument 'name'"),
        (Handlers.takes_more, "takes request and year, but its path '/{name}' has neither"),
    ],
)
def test_a_method_that_does_not_fit_its_path_is_told_at_once(method: Any, complaint: str) -> None:
    for decorate in (resource("GET", "/{name}"), stream("/{name}")):
        with pytest.raises(TypeError, match=complaint):
            decorate(method)


def test_a_forgotten_path_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="@resource takes a method of HTTP and a path"):
        resource("GET", Handlers.lacks_name)  # type: ignore[arg-type]  # as an author may write it
    with pytest.raises(TypeError, match=r'as in @resource\("GET", "/stations/\{name\}"\)'):
        resource("/stations")
    with pytest.raises(TypeError, match="@stream takes the path of its channels"):
        stream(Handlers.lacks_name)  # type: ignore[arg-type]
