"""A `models.DatasourceRequest` between bytes and a request.

What is needed is loaded when the first request is read or written: a plugin prints its handshake before that,
and neither protobuf nor NumPy shall delay it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftage.errors import WireError

if TYPE_CHECKING:
    from graftage.backend.query import QueryRequest


def encode_request(request: QueryRequest) -> bytes:
    """The message as the host sends it. Headers have no place in version 1."""
    from graftage.protocol.pb import datasource_v1_pb2 as pb

    time_range, source = request.time_range, request.data_source
    message = pb.DatasourceRequest(
        timeRange=pb.TimeRange(
            fromRaw=time_range.from_raw,
            toRaw=time_range.to_raw,
            fromEpochMs=time_range.from_ms,
            toEpochMs=time_range.to_ms,
        ),
        datasource=pb.DatasourceInfo(
            id=source.id,
            orgId=source.org_id,
            name=source.name,
            type=source.type,
            url=source.url,
            jsonData=source.json,
            decryptedSecureJsonData=source.secrets,
        ),
        queries=[
            pb.Query(
                refId=query.ref_id,
                maxDataPoints=query.max_data_points,
                intervalMs=query.interval_ms,
                modelJson=query.json,
            )
            for query in request.queries
        ],
    )
    return message.SerializeToString()


def decode_request(data: bytes) -> QueryRequest:
    """The request in the bytes that a host sent. Raises WireError if they hold none."""
    from google.protobuf.message import DecodeError

    from graftage.backend.context import DataSourceSettings, context_of
    from graftage.backend.query import Query, QueryRequest, TimeRange
    from graftage.backend.secrets import Secrets
    from graftage.protocol.pb import datasource_v1_pb2 as pb

    try:
        message = pb.DatasourceRequest.FromString(data)
    except DecodeError as error:
        raise WireError(f"the host's request is no models.DatasourceRequest: {error}") from error
    time_range, source = message.timeRange, message.datasource
    settings = DataSourceSettings(
        id=source.id,
        org_id=source.orgId,
        name=source.name,
        type=source.type,
        url=source.url,
        json=source.jsonData,
        secrets=Secrets(source.decryptedSecureJsonData),
    )
    return QueryRequest(
        TimeRange(time_range.fromEpochMs, time_range.toEpochMs, time_range.fromRaw, time_range.toRaw),
        context_of(settings),
        tuple(
            Query(query.refId, query.modelJson, query.intervalMs, query.maxDataPoints)
            for query in message.queries
        ),
    )
