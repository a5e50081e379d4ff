"""How both ends set up gRPC, and how an advertised address is written for it.

Source: the settings of hashicorp/go-plugin's client and server, and what grpcio needs to match them.
"""

from __future__ import annotations

from urllib.parse import quote

from graftage.errors import HandshakeError

# Error texts travel in trailers; grpcio cuts the call at 8 to 16 KiB of them unless told otherwise.
METADATA_BYTES = 4 * 1024 * 1024
UNLIMITED = -1
NEVER_MS = 2**31 - 1

Options = tuple[tuple[str, int], ...]

CHANNEL_OPTIONS: Options = (
    ("grpc.max_receive_message_length", UNLIMITED),
    ("grpc.max_send_message_length", UNLIMITED),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.enable_http_proxy", 0),  # grpcio would ask a proxy even for a socket on this machine
    (
        "grpc.client_idle_timeout_ms",
        NEVER_MS,
    ),  # an idle channel must not lose a socket file it cannot find again
    # gRPC's own reconnecting; a plugin that comes back under its old address is met again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


# How a host notices that another machine is gone without a word. Go's dialer switches on TCP's own keepalive
# for this (hashicorp/go-plugin, client.go, `netAddrDialer`). grpcio opens its sockets itself and never sets
# SO_KEEPALIVE; what it offers is a ping of HTTP/2, which also sets TCP_USER_TIMEOUT, so that data that nobody
# acknowledges ends the connection after the timeout. A Go server hangs up on whoever pings more often than
# every five minutes, or without a call; the streams that a host holds open are calls. Connections that we
# make ourselves, for TLS or multiplexed (`forwarding`), have TCP's keepalive as well.
_PING_MS = 310_000
_PING_TIMEOUT_MS = 20_000
_REMOTE_OPTIONS: Options = (
    ("grpc.keepalive_time_ms", _PING_MS),
    ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),  # no limit: usually there is nothing to send for hours
)


def channel_options(network: str, address: str, *, receive_bytes: int = UNLIMITED) -> Options:
    """Options of a host's channel to an advertised address. receive_bytes: the largest answer taken.

    A peer on this machine is not pinged: its end is always seen, and one that a debugger has stopped may stay
    so.
    """
    options = dict(CHANNEL_OPTIONS) | {"grpc.max_receive_message_length": receive_bytes}
    if network == "tcp" and not _is_loopback(address.rpartition(":")[0]):
        options |= _REMOTE_OPTIONS
    return tuple(options.items())


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address  # here, as plugins load this module before their handshake

    if host in ("", "localhost"):
        return True
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def server_options(*, receive_bytes: int = UNLIMITED) -> Options:
    """Options of a plugin's server. receive_bytes: the largest request taken; -1 for no limit."""
    return (
        ("grpc.max_receive_message_length", receive_bytes),
        ("grpc.max_send_message_length", UNLIMITED),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.so_reuseport", 0),  # a port is ours alone, or it is not ours
    )


def target(network: str, address: str) -> str:
    """grpcio's spelling of an advertised address, a URI. Raises HandshakeError for an unknown network."""
    match network:
        case "unix" if address.startswith("@"):
            return f"unix-abstract:{quote(address[1:])}"
        case "unix":
            return f"unix:{quote(address)}"
        case "tcp":
            host, _, port = address.rpartition(":")
            return f"ipv4:127.0.0.1:{port}" if not host else f"dns:///{host}:{port}"
        case _:
            raise HandshakeError(
                f"expected network 'unix' or 'tcp', got {network!r}; update the plugin's SDK"
            )
