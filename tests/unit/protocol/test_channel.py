"""How addresses and settings are written for grpcio."""

from __future__ import annotations

import pytest

from graftage.errors import HandshakeError
from graftage.protocol.channel import CHANNEL_OPTIONS, server_options, target


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


def test_no_end_pings_the_other() -> None:
    # Go's servers hang up on a client that pings more often than every five minutes.
    assert not [name for name, _ in (*CHANNEL_OPTIONS, *server_options()) if "keepalive" in name]


def test_a_server_limits_what_it_takes_and_shares_no_port() -> None:
    options = dict(server_options(receive_bytes=1000))
    assert options["grpc.max_receive_message_length"] == 1000
    assert options["grpc.so_reuseport"] == 0
