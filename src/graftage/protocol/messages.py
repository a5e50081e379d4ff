"""The small messages of the plugin system itself, between bytes and plain values.

Generated modules are loaded when the first message is read or written: a plugin prints its handshake
before that.
"""

from __future__ import annotations

from enum import IntEnum

from graftage.errors import WireError

EMPTY = b""  # plugin.Empty and google.protobuf.Empty on the wire


class Output(IntEnum):
    """Which of a plugin's outputs a piece of text was written to."""

    INVALID = 0
    STDOUT = 1
    STDERR = 2


def encode_output(channel: Output, data: bytes) -> bytes:
    """A `plugin.StdioData` message."""
    from graftage.protocol.pb import goplugin_pb2

    return goplugin_pb2.StdioData(channel=channel.name, data=data).SerializeToString()


def decode_output(message: bytes) -> tuple[int, bytes]:
    """Channel number (known to `Output` or not) and bytes of a `plugin.StdioData`. Raises WireError."""
    from google.protobuf.message import DecodeError

    from graftage.protocol.pb import goplugin_pb2

    try:
        chunk = goplugin_pb2.StdioData.FromString(message)
    except DecodeError as error:
        raise WireError(f"expected a plugin.StdioData message, got {message[:40]!r}: {error}") from error
    return int(chunk.channel), chunk.data


def encode_health_check(service: str) -> bytes:
    """A `grpc.health.v1.HealthCheckRequest` message."""
    from grpc_health.v1 import health_pb2

    return bytes(health_pb2.HealthCheckRequest(service=service).SerializeToString())


def is_serving(message: bytes) -> bool:
    """Does this `grpc.health.v1.HealthCheckResponse` say SERVING? Raises WireError."""
    from google.protobuf.message import DecodeError
    from grpc_health.v1 import health_pb2

    try:
        response = health_pb2.HealthCheckResponse.FromString(message)
    except DecodeError as error:
        raise WireError(f"expected a HealthCheckResponse, got {message[:40]!r}: {error}") from error
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
