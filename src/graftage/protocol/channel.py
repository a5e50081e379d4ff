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
