"""Which capabilities a class has beside queries, and what finding them costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import grpc
import pytest

from graftage.protocol import rpc
from graftage.sdk.data_source import App
from graftage.sdk.marks import RESOURCES, marked
from graftage.sdk.plugin import Plugin
from graftage.sdk.resource import resource
from graftage.sdk.stream import stream


class Routed(App):
    @resource("GET", "/a")
    @resource("PUT", "/a")
    def a(self) -> None: ...


class Inherited(Routed): ...


class Overridden(Routed):
    def a(self) -> None: ...


class Streaming(App):
    @stream("a")
    async def a(self) -> Any:
        yield {}


def having(name: str) -> type:
    return type("Having", (App,), {name: lambda self: None})


@pytest.mark.parametrize(
    ("target", "services"),
    [
        (Routed, {rpc.RESOURCE}),
        (Routed(None), {rpc.RESOURCE}),
        (Inherited, {rpc.RESOURCE}),
        (having("asgi"), {rpc.RESOURCE}),
        (having("wsgi"), {rpc.RESOURCE}),
        (Streaming, {rpc.STREAM}),
        (having("validate_admission"), {rpc.ADMISSION}),
        (having("mutate_admission"), {rpc.ADMISSION}),
        (having("convert_objects"), {rpc.CONVERSION}),
    ],
)
def test_a_class_offers_what_it_has_handlers_for(target: object, services: set[str]) -> None:
    handlers = Plugin(target).versions[2]
    offered = {handler.service_name() for handler in handlers if isinstance(handler, grpc.ServiceRpcHandler)}

    assert offered == {rpc.DIAGNOSTICS} | services


def test_several_decorators_leave_a_mark_each_and_a_method_without_takes_them_away() -> None:
    assert [route.method for route in marked(Inherited, RESOURCES)["a"]] == ["GET", "PUT"]
    assert marked(Overridden, RESOURCES) == {}


def test_the_decorators_load_nothing_heavy() -> None:
    heavy = ("numpy", "grpc", "google.protobuf", "msgspec", "asyncio", "logging", "json", "urllib")
    program = (
        "import sys\nfrom graftage import ResourceResponse, resource, stream\n"
        f"print(*(set({heavy}) & set(sys.modules)))"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert shown.stdout.split() == []
