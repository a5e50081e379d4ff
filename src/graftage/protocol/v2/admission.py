"""The messages of `pluginv2.AdmissionControl` and `pluginv2.ResourceConversion`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graftage.backend.admission import (
    AdmissionRequest,
    Conversion,
    ConversionRequest,
    Kind,
    RawObject,
    Reason,
    Verdict,
)
from graftage.protocol.v2.context import context_of_message, context_to_message
from graftage.protocol.v2.parsing import parse, text

if TYPE_CHECKING:
    from graftage.protocol.pb import backend_v2_pb2 as messages


def encode_admission_request(request: AdmissionRequest) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    kind = request.kind
    message = pb.AdmissionRequest(
        pluginContext=context_to_message(request.context),
        kind=pb.GroupVersionKind(group=text(kind.group), version=text(kind.version), kind=text(kind.kind)),
        object_bytes=request.object_json,
        old_object_bytes=request.old_object_json,
    )
    message.operation = request.operation  # type: ignore[assignment] # a number of no name is kept
    return message.SerializeToString()


def decode_admission_request(data: bytes) -> AdmissionRequest:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.AdmissionRequest, data)
    return AdmissionRequest(
        context_of_message(message.pluginContext),
        int(message.operation),
        Kind(message.kind.group, message.kind.version, message.kind.kind),
        message.object_bytes,
        message.old_object_bytes,
    )


def encode_verdict(verdict: Verdict) -> bytes:
    """The answer to either question: one about changes has an object, too, and all else is the same."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.MutationResponse(
        allowed=verdict.allowed,
        result=_reason_to_message(verdict.reason),
        warnings=map(text, verdict.warnings),
        object_bytes=verdict.object_json,
    ).SerializeToString()


def decode_verdict(data: bytes) -> Verdict:
    """The answer to either question. Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.MutationResponse, data)
    return Verdict(
        message.allowed,
        _reason(message.result) if message.HasField("result") else None,
        tuple(message.warnings),
        message.object_bytes,
    )


def encode_conversion_request(request: ConversionRequest) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.ConversionRequest(
        pluginContext=context_to_message(request.context),
        uid=text(request.uid),
        objects=_objects_to_messages(request.objects),
        target_version=pb.GroupVersion(group=text(request.group), version=text(request.version)),
    ).SerializeToString()


def decode_conversion_request(data: bytes) -> ConversionRequest:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.ConversionRequest, data)
    return ConversionRequest(
        context_of_message(message.pluginContext),
        message.uid,
        _objects(message.objects),
        message.target_version.group,
        message.target_version.version,
    )


def encode_conversion(conversion: Conversion) -> bytes:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.ConversionResponse(
        uid=text(conversion.uid),
        result=_reason_to_message(conversion.reason),
        objects=_objects_to_messages(conversion.objects),
    ).SerializeToString()


def decode_conversion(data: bytes) -> Conversion:
    """Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.ConversionResponse, data)
    return Conversion(
        message.uid,
        _objects(message.objects),
        _reason(message.result) if message.HasField("result") else None,
    )


def _reason_to_message(reason: Reason | None) -> messages.StatusResult | None:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    if reason is None:
        return None
    return pb.StatusResult(
        status=text(reason.status),
        message=text(reason.message),
        reason=text(reason.reason),
        code=reason.code,
    )


def _reason(message: messages.StatusResult) -> Reason:
    return Reason(message.status, message.message, message.reason, message.code)


def _objects_to_messages(objects: Iterable[RawObject]) -> list[messages.RawObject]:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return [pb.RawObject(raw=one.raw, content_type=text(one.content_type)) for one in objects]


def _objects(objects: Iterable[messages.RawObject]) -> tuple[RawObject, ...]:
    return tuple(RawObject(one.raw, one.content_type) for one in objects)
