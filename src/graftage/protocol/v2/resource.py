"""The messages of `pluginv2.Resource`: calls of a plugin's own HTTP routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from graftage.backend.resource import Headers, ResourcePart, ResourceRequest
from graftage.protocol.v2.context import context_of_message, context_to_message
from graftage.protocol.v2.parsing import parse, text

if TYPE_CHECKING:
    from graftage.protocol.pb import backend_v2_pb2 as messages


def encode_resource_request(request: ResourceRequest) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.CallResourceRequest(
        pluginContext=context_to_message(request.context),
        path=text(request.path),
        method=text(request.method),
        url=text(request.url),
        headers=_headers_to_message(request.headers),
        body=request.body,
    ).SerializeToString()


def decode_resource_request(data: bytes) -> ResourceRequest:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.CallResourceRequest, data)
    return ResourceRequest(
        context_of_message(message.pluginContext),
        message.path,
        message.method,
        message.url,
        _headers(message.headers),
        message.body,
    )


def encode_resource_part(part: ResourcePart) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.CallResourceResponse(
        code=part.code, headers=_headers_to_message(part.headers), body=part.body
    ).SerializeToString()


def decode_resource_part(data: bytes) -> ResourcePart:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.CallResourceResponse, data)
    return ResourcePart(message.code, _headers(message.headers), message.body)


def _headers_to_message(headers: Headers) -> dict[str, messages.StringList]:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return {text(name): pb.StringList(values=map(text, values)) for name, values in headers.items()}


def _headers(entries: Mapping[str, messages.StringList]) -> Headers:
    return {name: tuple(entry.values) for name, entry in entries.items()}
