"""How addresses and settings are written for grpcio."""

from __future__ import annotations

import os
import socket

import grpc.aio
import pytest

from graftage.errors import HandshakeError
from graftage.protocol.channel import CHANNEL_OPTIONS, channel_options, server_options, target
from support.wait import eventually_async


@pytest.mark.parametrize(
    ("network", "address", "written"),
    [
        ("unix", "/tmp/plugin1", "unix:/tmp/plugin1"),
        ("unix", "plugin1", "unix:plugin1"),
        ("unix", "/tmp/50% #1?/plugin1", "unix:/tmp/50%25%20%231%3F/plugin1"),
        ("unix", "@name", "unix-abstract:name"),
        ("tcp", ":1234", "ipv4:127.0.0.1:1234"),
        ("tcp", "localhost:1234", "dns:///localhost:1234"),
        ("tcp", "[::1]:99", "dns:///[::1]:99"),
    ],
)
def test_an_address_is_written_as_grpcio_spells_it(network: str, address: str, written: str) -> None:
    assert target(network, address) == written


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(HandshakeError, match="expected network 'unix' or 'tcp', got 'udp'"):
        target("udp", "127.0.0.1:1")


def test_a_host_takes_messages_of_any_size_and_never_asks_a_proxy() -> None:
    options = dict(CHANNEL_OPTIONS)
    assert options["grpc.max_receive_message_length"] == -1
    assert options["grpc.max_send_message_length"] == -1
    assert options["grpc.max_metadata_size"] >= 1024 * 1024
    assert options["grpc.enable_http_proxy"] == 0


@pytest.mark.parametrize(
    ("network", "address", "pings"),
    [
        ("unix", "/tmp/10.0.0.1:80", False),
        ("tcp", ":1234", False),
        ("tcp", "127.0.0.1:1234", False),
        ("tcp", "localhost:1234", False),
        ("tcp", "[::1]:1234", False),
        ("tcp", "10.0.0.1:1234", True),
        ("tcp", "[2001:db8::1]:1234", True),
        ("tcp", "plugins.example:1234", True),
    ],
)
def test_only_another_machine_is_pinged(network: str, address: str, pings: bool) -> None:
    options = dict(channel_options(network, address, receive_bytes=5))
    assert ("grpc.keepalive_time_ms" in options) == pings
    assert options["grpc.max_receive_message_length"] == 5
    assert not [name for name, _ in server_options() if "keepalive" in name]


def test_pings_are_as_rare_as_go_s_servers_ask_for() -> None:
    options = dict(channel_options("tcp", "10.0.0.1:1234"))
    assert options["grpc.keepalive_time_ms"] > 5 * 60 * 1000
    assert options["grpc.keepalive_permit_without_calls"] == 0


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="a limit that Linux knows")
@pytest.mark.parametrize(("host", "milliseconds"), [("127.0.0.1", 0), ("10.0.0.1", 20_000)])
async def test_data_that_another_machine_does_not_acknowledge_ends_the_connection(
    host: str, milliseconds: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = (*channel_options("tcp", f"{host}:1"), ("grpc.use_local_subchannel_pool", 1))
        port = server.getsockname()[1]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            channel.get_state(try_to_connect=True)
            await eventually_async(lambda: limits_of_connections_to(port), what="a connection")
            assert limits_of_connections_to(port) == [milliseconds]


def limits_of_connections_to(port: int) -> list[int]:
    """TCP_USER_TIMEOUT of this process's connections to a port of this machine, in milliseconds."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(entry))) as one:
                if one.getpeername()[1] == port:
                    found.append(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        except (OSError, IndexError):
            continue  # no socket, or none that is connected
    return found


def test_a_server_limits_what_it_takes_and_shares_no_port() -> None:
    options = dict(server_options(receive_bytes=1000))
    assert options["grpc.max_receive_message_length"] == 1000
    assert options["grpc.so_reuseport"] == 0
