"""The messages of a broker's stream: where a connection can be made, or the wish to make one.

Source: hashicorp/go-plugin, grpc_broker.proto (`ConnInfo`).
"""

from __future__ import annotations

from dataclasses import dataclass

from graftage.errors import WireError


@dataclass(frozen=True, slots=True)
class ConnInfo:
    """service_id: the number that both sides know the connection by.

    network, address: where it can be made, as in a handshake. knock: it shall be made over the connection
    that is there. ack: the answer to a knock; error: why it is refused.
    """

    service_id: int
    network: str = ""
    address: str = ""
    knock: bool = False
    ack: bool = False
    error: str = ""


def encode_conn_info(info: ConnInfo) -> bytes:
    """A `plugin.ConnInfo` message."""
    from graftage.protocol.pb import goplugin_pb2

    message = goplugin_pb2.ConnInfo(service_id=info.service_id, network=info.network, address=info.address)
    if info.knock:
        message.knock.CopyFrom(goplugin_pb2.ConnInfo.Knock(knock=info.knock, ack=info.ack, error=info.error))
    return message.SerializeToString()


def decode_conn_info(data: bytes) -> ConnInfo:
    """What a `plugin.ConnInfo` says. Raises WireError."""
    from google.protobuf.message import DecodeError

    from graftage.protocol.pb import goplugin_pb2

    try:
        message = goplugin_pb2.ConnInfo.FromString(data)
    except DecodeError as error:
        raise WireError(f"expected a plugin.ConnInfo message, got {data[:40]!r}: {error}") from error
    knock = message.knock
    return ConnInfo(message.service_id, message.network, message.address, knock.knock, knock.ack, knock.error)
