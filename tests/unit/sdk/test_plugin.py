"""What a class serves: the services it has handlers for, in both versions of the protocol."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from graftage.errors import PluginFault
from graftage.protocol import rpc
from graftage.sdk.capabilities import SERVICES
from graftage.sdk.data_source import App, DataSource, query_type
from graftage.sdk.handlers import FunctionSource
from graftage.sdk.plugin import Plugin


class OnlyHealth(App):
    def check_health(self) -> None: ...


class Typed(DataSource):
    @query_type("a")
    def a(self, query: Any) -> None: ...


class Together(DataSource):
    def query_all(self, request: Any) -> Any: ...


def served(target: object) -> dict[int, set[str]]:
    return {
        version: {
            handler.service_name() for handler in handlers if isinstance(handler, grpc.ServiceRpcHandler)
        }
        for version, handlers in Plugin(target).versions.items()
    }


DATA = {1: {rpc.DATASOURCE_V1}, 2: {rpc.DATA, rpc.DIAGNOSTICS}}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Typed, DATA),
        (Together, DATA),
        (FunctionSource(lambda query: None), DATA),
        (OnlyHealth, {2: {rpc.DIAGNOSTICS}}),
        ("acme.weather:Weather", {version: set(services) for version, services in SERVICES.items()}),
    ],
)
def test_only_what_a_class_has_handlers_for_is_served(target: object, expected: dict[int, set[str]]) -> None:
    assert served(target) == expected


def test_what_serves_nothing_is_told_before_the_handshake() -> None:
    with pytest.raises(PluginFault, match="Empty answers no query; give it a method"):
        Plugin(type("Empty", (), {}))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("json", "names no class; expected 'package.module:Class'"),
        ("json:Weather", "has no attribute 'Weather'"),
        ("json:JSONDecoder.scan", "has no attribute 'scan'"),
        ("fractions:Fraction", "Fraction answers no query"),
    ],
)
async def test_a_class_by_name_is_looked_at_when_it_is_prepared(name: str, complaint: str) -> None:
    plugin = Plugin(name)

    with pytest.raises(PluginFault, match=complaint):
        plugin.prepare()
