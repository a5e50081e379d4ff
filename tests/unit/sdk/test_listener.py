from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

import grpc.aio
import pytest

from graftage.errors import SettingsError
from graftage.protocol.channel import server_options
from graftage.sdk.listener import Address, TcpPlan, UnixPlan, listen, plan, temporary_directory


@pytest.mark.parametrize(
    ("environment", "unix_sockets", "expected"),
    [
        ({"TMPDIR": "/"}, True, UnixPlan("/")),
        ({"PLUGIN_UNIX_SOCKET_DIR": "/run/x"}, True, UnixPlan("/run/x")),
        (
            {"PLUGIN_UNIX_SOCKET_DIR": "/run/x", "PLUGIN_UNIX_SOCKET_GROUP": "staff"},
            True,
            UnixPlan("/run/x", "staff"),
        ),
        ({"PLUGIN_MIN_PORT": "10000", "PLUGIN_MAX_PORT": "25000"}, False, TcpPlan(10000, 25000)),
        ({}, False, TcpPlan(0, 0)),
        ({"PLUGIN_MIN_PORT": "", "PLUGIN_MAX_PORT": "9"}, False, TcpPlan(0, 9)),
    ],
)
def test_the_environment_decides_where_to_listen(
    environment: Mapping[str, str], unix_sockets: bool, expected: object
) -> None:
    assert plan(environment, unix_sockets=unix_sockets) == expected


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"PLUGIN_MIN_PORT": "ten"}, "PLUGIN_MIN_PORT is 'ten'; expected a port number"),
        ({"PLUGIN_MAX_PORT": "65536"}, "PLUGIN_MAX_PORT is '65536'"),
        ({"PLUGIN_MIN_PORT": "9", "PLUGIN_MAX_PORT": "8"}, "PLUGIN_MIN_PORT is 9, above PLUGIN_MAX_PORT"),
        ({"PLUGIN_UNIX_SOCKET_DIR": "/run/x"}, "PLUGIN_UNIX_SOCKET_DIR asks for a Unix socket"),
        ({"PLUGIN_UNIX_SOCKET_GROUP": "staff"}, "PLUGIN_UNIX_SOCKET_GROUP asks for a Unix socket"),
    ],
)
def test_what_cannot_be_followed_without_unix_sockets_is_an_error(
    environment: Mapping[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        plan(environment, unix_sockets=False)


def test_a_temporary_directory_that_cannot_be_used_is_passed_over(tmp_path: Path) -> None:
    usable = tmp_path / "usable"
    usable.mkdir()

    assert temporary_directory({"TMPDIR": str(tmp_path / "missing"), "TMP": str(usable)}) == str(usable)


@pytest.fixture
async def server() -> grpc.aio.Server:
    return grpc.aio.server(options=server_options())


async def test_a_socket_has_a_number_for_a_name_and_is_taken_away(
    server: grpc.aio.Server, tmp_path: Path
) -> None:
    address = listen(server, UnixPlan(str(tmp_path)))
    await server.start()

    assert re.fullmatch(r"plugin\d{1,10}", Path(address.address).name)
    assert stat.S_ISSOCK(os.stat(address.address).st_mode)

    await server.stop(None)
    address.remove()

    assert os.listdir(tmp_path) == []


async def test_a_group_may_connect_when_one_is_named(server: grpc.aio.Server, tmp_path: Path) -> None:
    address = listen(server, UnixPlan(str(tmp_path), group=str(os.getgid())))

    status = os.stat(address.address)
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert status.st_gid == os.getgid()
    await server.stop(None)


@pytest.mark.parametrize(
    ("directory", "group", "complaint"),
    [
        ("missing", "", "cannot listen on .*missing.*is .*missing a directory"),
        ("x" * 120, "", r"has \d+ bytes, the system allows 10[37]; set PLUGIN_UNIX_SOCKET_DIR"),
        ("", "no-such-group", "group 'no-such-group' of PLUGIN_UNIX_SOCKET_GROUP does not exist"),
    ],
)
async def test_a_socket_that_cannot_be_made_says_why(
    server: grpc.aio.Server, tmp_path: Path, directory: str, group: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        listen(server, UnixPlan(str(tmp_path / directory), group))
    await server.stop(None)


async def test_the_first_free_port_of_the_range_is_taken(server: grpc.aio.Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        address = listen(server, TcpPlan(port, port + 20))

    host, _, bound = address.address.rpartition(":")
    assert (address.network, host) == ("tcp", "127.0.0.1")
    assert port < int(bound) <= port + 20
    await server.stop(None)


async def test_without_a_range_the_system_picks_a_port(server: grpc.aio.Server) -> None:
    address = listen(server, TcpPlan(0, 0))

    assert int(address.address.rpartition(":")[2]) > 0
    await server.stop(None)


async def test_a_range_without_a_free_port_is_an_error(server: grpc.aio.Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"no port from {port} to {port} is free"):
            listen(server, TcpPlan(port, port))
    await server.stop(None)


def test_removing_an_address_that_is_gone_is_no_error(tmp_path: Path) -> None:
    Address("unix", str(tmp_path / "gone")).remove()
    Address("tcp", "127.0.0.1:1").remove()
