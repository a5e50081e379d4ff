"""Sockets of our own: a private folder for them, and listening as gRPC is told to."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from graftage.errors import SettingsError
from graftage.protocol.private_folder import PrivateFolder
from graftage.protocol.socket_listener import SocketListener
from support.wait import eventually_async


class Taken(asyncio.Protocol):
    def __init__(self, all_taken: list[asyncio.Transport]) -> None:
        self._all = all_taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._all.append(transport)


async def test_connections_to_a_path_and_to_a_port_are_taken(tmp_path: Path) -> None:
    taken: list[asyncio.Transport] = []
    unix, tcp = SocketListener(), SocketListener()
    assert unix.add_insecure_port(f"unix:{tmp_path}/socket") == 1
    port = tcp.add_insecure_port("127.0.0.1:0")
    for listener in (unix, tcp):
        listener.serve(lambda: Taken(taken))
    _, one = await asyncio.open_unix_connection(f"{tmp_path}/socket")
    _, two = await asyncio.open_connection("127.0.0.1", port)
    await eventually_async(lambda: len(taken) == 2)
    for listener in (unix, tcp):
        await listener.close()
        await listener.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)
    for writer in (one, two):
        writer.close()
    for transport in taken:
        transport.abort()
    await asyncio.sleep(0)


async def test_who_waits_before_it_serves_is_taken_then(tmp_path: Path) -> None:
    taken: list[asyncio.Transport] = []
    listener = SocketListener()
    listener.add_insecure_port(f"unix:{tmp_path}/socket")
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(f"{tmp_path}/socket")
        listener.serve(lambda: Taken(taken))
        await eventually_async(lambda: taken)
        await listener.close()
        taken[0].abort()
        await asyncio.sleep(0)


async def test_a_connection_that_comes_while_closing_is_not_lost_sight_of(tmp_path: Path) -> None:
    """Any socket that stays open is a warning, and so an error here."""
    for _ in range(20):
        taken: list[asyncio.Transport] = []
        listener = SocketListener()
        listener.add_insecure_port(f"unix:{tmp_path}/socket")
        listener.serve(lambda taken=taken: Taken(taken))  # type: ignore[misc]  # mypy knows no such lambda
        with socket.socket(socket.AF_UNIX) as late:
            late.connect(f"{tmp_path}/socket")
            await asyncio.sleep(0)
            await listener.close()
            for transport in taken:
                transport.abort()
            await asyncio.sleep(0)
        os.unlink(f"{tmp_path}/socket")


def test_an_address_that_is_taken_is_gRPCs_kind_of_error(tmp_path: Path) -> None:  # noqa: N802 - its name
    (tmp_path / "socket").touch()
    with pytest.raises(RuntimeError, match="in use"):
        SocketListener().add_insecure_port(f"unix:{tmp_path}/socket")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_private_folder_is_made_when_needed_for_this_user_alone_and_removed(temporary: Path) -> None:
    folder = PrivateFolder()
    assert list(temporary.iterdir()) == []
    one, two = folder.socket(), folder.socket()
    assert one != two
    assert stat.S_IMODE(Path(one).parent.stat().st_mode) == 0o700
    Path(one).touch()
    folder.remove()
    folder.remove()
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_given_is_used_and_left(temporary: Path, tmp_path: Path) -> None:
    folder = PrivateFolder(str(tmp_path))
    assert Path(folder.socket()).parent == tmp_path
    folder.remove()
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("place", "complaint"),
    [("/nowhere/at/all", "a folder that can be written"), ("x" * 120, "a shorter folder")],
)
def test_where_no_socket_can_be_the_error_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, complaint: str
) -> None:
    parent = tmp_path / place
    if not place.startswith("/"):
        parent.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(parent))
    folder = PrivateFolder()
    with pytest.raises(SettingsError, match=f"set TMPDIR to {complaint}"):
        folder.socket()
    folder.remove()
