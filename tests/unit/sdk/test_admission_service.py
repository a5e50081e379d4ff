"""Objects of an API over a real socket: are they allowed, and how do they look in another version?"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from graftage.backend.admission import (
    AdmissionRequest,
    ConversionRequest,
    Kind,
    Operation,
    RawObject,
    Reason,
    Verdict,
)
from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.errors import CallFailed, NotImplementedByPlugin
from graftage.sdk import admission
from graftage.sdk.context import current
from graftage.sdk.data_source import App
from support.served_plugin import served

CONTEXT = PluginContext(3, "acme", data_source=DataSourceSettings(7, 3, "weather", "acme", uid="u"))
OBJECT, OLD = b'{"spec": {"url": "x"}}', b'{"spec": {}}'
REQUEST = AdmissionRequest(CONTEXT, Operation.UPDATE, Kind("acme", "v1", "DataSource"), OBJECT, OLD)
FORBIDDEN = Reason("Failure", "the plugin does not allow it", "Forbidden", 403)
SECONDS = 10.0


def deciding(answer: Any, *, plain: bool = False) -> type:
    """A class whose methods return this, or raise it."""

    def decide(self: object, request: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def decide_async(self: object, request: Any) -> Any:
        return decide(self, request)

    method = decide if plain else decide_async
    names = ("validate_admission", "mutate_admission", "convert_objects")
    return type("Deciding", (App,), dict.fromkeys(names, method))


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, Verdict(allowed=True)),
        (True, Verdict(allowed=True)),
        (False, Verdict(allowed=False, reason=FORBIDDEN)),
        (
            PermissionError("no url"),
            Verdict(allowed=False, reason=Reason("Failure", "no url", "Forbidden", 403)),
        ),
        (
            Verdict(allowed=False, reason=Reason("Failure", "taken", "Conflict", 409), warnings=("w",)),
            Verdict(allowed=False, reason=Reason("Failure", "taken", "Conflict", 409), warnings=("w",)),
        ),
        (Verdict(allowed=True, object_json=b"{}"), Verdict(allowed=True)),
    ],
)
async def test_an_object_is_allowed_or_not(
    tmp_path: Path, answer: Any, verdict: Verdict, plain: bool
) -> None:
    async with served(deciding(answer, plain=plain), tmp_path) as client:
        assert await client.validate_admission(REQUEST, timeout=SECONDS) == verdict


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, Verdict(allowed=True, object_json=OBJECT)),
        (True, Verdict(allowed=True, object_json=OBJECT)),
        ({"spec": {"url": "y"}}, Verdict(allowed=True, object_json=b'{"spec":{"url":"y"}}')),
        (False, Verdict(allowed=False, reason=FORBIDDEN)),
        (
            Verdict(allowed=True, warnings=("old",), object_json=b"{}"),
            Verdict(allowed=True, warnings=("old",), object_json=b"{}"),
        ),
    ],
)
async def test_an_object_may_be_changed(tmp_path: Path, answer: Any, verdict: Verdict) -> None:
    async with served(deciding(answer), tmp_path) as client:
        assert await client.mutate_admission(REQUEST, timeout=SECONDS) == verdict


async def test_a_method_knows_what_is_about_to_happen(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Seeing(App):
        def validate_admission(self, request: admission.AdmissionRequest) -> None:
            assert threading.current_thread() is not threading.main_thread()
            seen.extend((request, current().org_id, self.settings.uid))

    async with served(Seeing, tmp_path) as client:
        await client.validate_admission(REQUEST, timeout=SECONDS)

    request, org_id, uid = seen
    assert (request.operation, request.kind) == (Operation.UPDATE, REQUEST.kind)
    assert (request.object, request.old_object) == ({"spec": {"url": "x"}}, {"spec": {}})
    assert (org_id, uid) == (3, "u")
    assert "url" not in repr(request)


async def test_what_is_not_there_or_not_known_is_told_as_it_is(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Seeing(App):
        async def validate_admission(self, request: admission.AdmissionRequest) -> None:
            seen.append((request.operation, request.object, request.old_object))

    async with served(Seeing, tmp_path) as client:
        await client.validate_admission(AdmissionRequest(CONTEXT, 9, Kind()), timeout=SECONDS)

    assert seen == [(9, None, None)]


async def test_a_class_method_needs_no_object_that_can_be_made(tmp_path: Path) -> None:
    class Strict(App):
        def __init__(self, settings: Any) -> None:
            raise ValueError("the station is missing")

        @classmethod
        def validate_admission(cls, request: Any) -> bool:
            return bool(request.object["spec"])

        @staticmethod
        async def convert_objects(request: Any) -> list[Any]:
            return list(request.objects)

        async def mutate_admission(self, request: Any) -> None: ...

    async with served(Strict, tmp_path) as client:
        assert (await client.validate_admission(REQUEST, timeout=SECONDS)).allowed
        assert await client.convert_objects(ConversionRequest(CONTEXT, "1", ()), timeout=SECONDS)
        with pytest.raises(CallFailed, match="the station is missing"):
            await client.mutate_admission(REQUEST, timeout=SECONDS)


async def test_objects_are_converted_in_their_order_and_the_question_is_named(tmp_path: Path) -> None:
    class Converting(App):
        async def convert_objects(self, request: admission.ConversionRequest) -> list[dict[str, Any]]:
            version = f"{request.group}/{request.version}"
            return [one | {"apiVersion": version} for one in request.objects]

    objects = tuple(RawObject(json.dumps({"n": n}).encode()) for n in range(20))
    async with served(Converting, tmp_path) as client:
        request = ConversionRequest(CONTEXT, "uid-7", objects, "acme", "v2")
        conversion = await client.convert_objects(request, timeout=SECONDS)

    assert (conversion.uid, conversion.reason) == ("uid-7", None)
    assert [json.loads(one.raw) for one in conversion.objects] == [
        {"n": n, "apiVersion": "acme/v2"} for n in range(20)
    ]
    assert {one.content_type for one in conversion.objects} == {"application/json"}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (7, "validate_admission returned int; expected True, False, None, which means True or a Verdict"),
        ({}, "validate_admission returned dict"),
        (ValueError("a bug"), "a bug"),
    ],
)
async def test_what_is_no_verdict_fails_the_call(tmp_path: Path, answer: Any, complaint: str) -> None:
    async with served(deciding(answer), tmp_path) as client:
        with pytest.raises(CallFailed, match=complaint) as failed:
            await client.validate_admission(REQUEST, timeout=SECONDS)

    assert failed.value.status == "UNKNOWN"


async def test_what_is_no_changed_object_fails_the_call(tmp_path: Path) -> None:
    async with served(deciding({"a": object()}), tmp_path) as client:
        with pytest.raises(CallFailed, match="what mutate_admission returned cannot be written as JSON"):
            await client.mutate_admission(REQUEST, timeout=SECONDS)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([{}], "convert_objects returned list of 1; expected a list of 2: the objects in the order"),
        (None, "convert_objects returned NoneType; expected a list of 2"),
        (ValueError("a bug"), "a bug"),
    ],
)
async def test_a_conversion_has_all_objects_or_fails(tmp_path: Path, answer: Any, complaint: str) -> None:
    request = ConversionRequest(CONTEXT, "1", (RawObject(b"{}"), RawObject(b"{}")))

    async with served(deciding(answer), tmp_path) as client:
        with pytest.raises(CallFailed, match=complaint):
            await client.convert_objects(request, timeout=SECONDS)


async def test_what_the_host_sends_has_to_be_json(tmp_path: Path) -> None:
    request = ConversionRequest(CONTEXT, "1", (RawObject(b"a: 1", "application/yaml"),))

    async with served(deciding([{}]), tmp_path) as client:
        with pytest.raises(CallFailed, match="an object to convert is no valid JSON"):
            await client.convert_objects(request, timeout=SECONDS)


async def test_what_a_plugin_lacks_is_not_implemented(tmp_path: Path) -> None:
    class Validating(App):
        async def validate_admission(self, request: Any) -> None: ...

    async with served(Validating, tmp_path) as client:
        with pytest.raises(NotImplementedByPlugin):
            await client.mutate_admission(REQUEST, timeout=SECONDS)
        with pytest.raises(NotImplementedByPlugin):
            await client.convert_objects(ConversionRequest(CONTEXT, "1", ()), timeout=SECONDS)
