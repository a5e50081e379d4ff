"""A `graftage.host.v1.HostQueryRequest` between bytes and a request; its answer is that of version 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftage.protocol.v2.data import queries_of_messages, queries_to_messages, range_to_message
from graftage.protocol.v2.parsing import parse, text

if TYPE_CHECKING:
    from graftage.backend.host_query import HostQueryRequest


def encode_host_query(request: HostQueryRequest) -> bytes:
    from graftage.protocol.pb import host_query_pb2 as pb

    return pb.HostQueryRequest(
        token=text(request.token),
        dataSourceUid=text(request.uid),
        timeRange=range_to_message(request.time_range),
        queries=queries_to_messages(request.queries, request.time_range),
    ).SerializeToString()


def decode_host_query(data: bytes) -> HostQueryRequest:
    """Raises WireError."""
    from graftage.backend.host_query import HostQueryRequest
    from graftage.backend.query import TimeRange
    from graftage.protocol.pb import host_query_pb2 as pb

    message = parse(pb.HostQueryRequest, data)
    common = TimeRange(message.timeRange.fromEpochMS, message.timeRange.toEpochMS)
    return HostQueryRequest(
        message.token, message.dataSourceUid, common, queries_of_messages(message.queries, common)
    )
