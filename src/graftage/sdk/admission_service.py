"""`pluginv2.AdmissionControl` and `pluginv2.ResourceConversion`.

Source: grafana/grafana-plugin-sdk-go, backend/admission.go and backend/conversion.go.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from graftage.backend import admission as sent
from graftage.backend.admission import Conversion, Operation, RawObject, Reason, Verdict
from graftage.errors import PluginFault
from graftage.protocol.v2.admission import (
    decode_admission_request,
    decode_conversion_request,
    encode_conversion,
    encode_verdict,
)
from graftage.sdk.admission import AdmissionRequest, ConversionRequest
from graftage.sdk.call import Call
from graftage.sdk.calls import NotOffered
from graftage.sdk.handlers import has
from graftage.sdk.log import error_text
from graftage.sdk.marks import CONVERT_OBJECTS, MUTATE_ADMISSION, VALIDATE_ADMISSION
from graftage.sdk.model import decode_object
from graftage.sdk.runtime import Runtime
from graftage.sdk.tracing import Metadata
from graftage.sdk.written_json import write_json

VALIDATE_ENDPOINT, MUTATE_ENDPOINT = "validateAdmission", "mutateAdmission"
CONVERT_ENDPOINT = "convertObjects"
FORBIDDEN = 403


class AdmissionService:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def validate_admission(self, message: bytes, metadata: Metadata) -> bytes:
        verdict = await self._verdict(VALIDATE_ADMISSION, VALIDATE_ENDPOINT, message, metadata)
        return encode_verdict(replace(verdict, object_json=b""))

    async def mutate_admission(self, message: bytes, metadata: Metadata) -> bytes:
        return encode_verdict(await self._verdict(MUTATE_ADMISSION, MUTATE_ENDPOINT, message, metadata))

    async def _verdict(self, method: str, endpoint: str, message: bytes, metadata: Metadata) -> Verdict:
        """Raises NotOffered when the author has no such method."""
        if not has(self._runtime.target, method):
            raise NotOffered(f"this plugin has no {method}")
        request = decode_admission_request(message)
        async with self._runtime.call(endpoint, request.context, metadata) as call:
            asked = _admission_request(call, request)
            try:
                returned = await _ask(self._runtime, call, method, asked)
            except PermissionError as error:
                return _refused(error_text(error))
            return _verdict(returned, request, method)


class ConversionService:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def convert_objects(self, message: bytes, metadata: Metadata) -> bytes:
        request = decode_conversion_request(message)
        async with self._runtime.call(CONVERT_ENDPOINT, request.context, metadata) as call:
            objects = tuple(_object(one.raw, "an object to convert") or {} for one in request.objects)
            asked = ConversionRequest(objects, request.group, request.version, call.context)
            returned = await _ask(self._runtime, call, CONVERT_OBJECTS, asked)
            return encode_conversion(Conversion(request.uid, _converted(returned, len(objects))))


async def _ask(runtime: Runtime, call: Call, method: str, asked: object) -> Any:
    """What the author's method returns. A class method needs no object, which may not be to be made."""
    declared = inspect.getattr_static(runtime.target, method)
    if isinstance(declared, classmethod | staticmethod):
        return await call.run(None, getattr(runtime.target, method), asked)
    async with call.instance() as instance:
        return await call.run(instance, getattr(instance.source, method), asked)


def _admission_request(call: Call, request: sent.AdmissionRequest) -> AdmissionRequest:
    operation = request.operation
    with suppress(ValueError):  # one that is newer than we are stays a number
        operation = Operation(operation)
    return AdmissionRequest(
        operation,
        request.kind,
        _object(request.object_json, "the object"),
        _object(request.old_object_json, "the old object"),
        call.context,
    )


def _object(json: bytes, what: str) -> dict[str, Any] | None:
    """The JSON object; None for no bytes. Raises UnreadableModel."""
    return decode_object(json.decode("utf-8", "replace"), what=what) if json else None


def _verdict(returned: object, request: sent.AdmissionRequest, method: str) -> Verdict:
    """Raises PluginFault for what is no verdict."""
    match returned:
        case Verdict():
            return returned
        case None | True:
            return Verdict(allowed=True, object_json=request.object_json)
        case False:
            return _refused("the plugin does not allow it")
        case Mapping() if method == MUTATE_ADMISSION:
            return Verdict(allowed=True, object_json=write_json(returned, what=f"what {method} returned"))
    changed = ", the changed object" if method == MUTATE_ADMISSION else ""
    raise PluginFault(
        f"{method} returned {type(returned).__name__}; expected True, False, None, which means True{changed} "
        "or a Verdict"
    )


def _refused(text: str) -> Verdict:
    """As Kubernetes says it, whose answers these are."""
    return Verdict(allowed=False, reason=Reason("Failure", text, "Forbidden", FORBIDDEN))


def _converted(returned: object, count: int) -> tuple[RawObject, ...]:
    """Raises PluginFault for anything but as many objects."""
    if not isinstance(returned, list | tuple) or len(returned) != count:
        held = f" of {len(returned)}" if isinstance(returned, list | tuple) else ""
        raise PluginFault(
            f"{CONVERT_OBJECTS} returned {type(returned).__name__}{held}; expected a list of {count}: the "
            "objects in the order in which they came"
        )
    return tuple(RawObject(write_json(one, what="a converted object")) for one in returned)
