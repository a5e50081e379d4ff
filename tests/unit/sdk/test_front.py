"""What stands before a plugin's gRPC server: one connection or none, and the end of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graftage.errors import SettingsError
from graftage.protocol.certificate import make_identity
from graftage.sdk import front, running
from graftage.sdk.front import Front
from support.plugin_side import plugin_side
from support.wait import eventually_async


def test_a_certificate_of_the_host_that_is_none_names_the_variable() -> None:
    with pytest.raises(
        SettingsError, match="PLUGIN_CLIENT_CERT asks for TLS, but holds no usable certificate"
    ):
        Front("nonsense", multiplex=False)


def test_without_unix_sockets_there_is_no_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUGIN_MULTIPLEX_GRPC", "true")
    with pytest.raises(SettingsError, match="needs Unix sockets, but this system offers none"):
        running._front(unix_sockets=False)


@pytest.mark.parametrize("word", ["", "false", "0", "maybe"])
def test_a_host_that_asks_for_nothing_gets_no_front(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.delenv("PLUGIN_CLIENT_CERT", raising=False)
    monkeypatch.setenv("PLUGIN_MULTIPLEX_GRPC", word)
    assert running._front(unix_sockets=True) is None


async def test_a_host_that_never_connects_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "CONNECT_SECONDS", 0.05)
    async with plugin_side(tmp_path, multiplex=True) as plugin:
        await eventually_async(lambda: plugin.gone)
        assert plugin.gone == ["no host has connected within 0.05 s"]


async def test_with_tls_alone_no_host_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "CONNECT_SECONDS", 0.01)
    async with plugin_side(tmp_path, host=make_identity()) as plugin:
        await asyncio.sleep(0.05)
        assert plugin.gone == []


async def test_the_end_of_the_one_connection_is_the_end_of_the_plugin(tmp_path: Path) -> None:
    async with plugin_side(tmp_path, multiplex=True) as plugin:
        _, only = await asyncio.open_unix_connection(plugin.handshake.address)
        reader, late = await asyncio.open_unix_connection(plugin.handshake.address)
        assert await asyncio.wait_for(reader.read(), 5) == b"", "a second connection is turned away"
        assert plugin.gone == []
        only.close()
        await eventually_async(lambda: plugin.gone)
        (reason,) = plugin.gone
        assert reason.startswith("the host's connection ended: ")
        assert "the other process closed it" in reason
        late.close()
