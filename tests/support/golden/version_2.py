"""Calls in protocol version 2: requests as recorded on 7.5.5, and the answers that ours gives instead."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from support.golden import json_text
from support.golden.our_sources import our_sources
from support.golden.situation import Situation

# Fields that are younger than the recordings.
_YOUNGER = frozenset({"pluginVersion", "grafanaConfig", "userAgent", "apiVersion", "namespace", "format"})
_CONTEXT = ("user", "appInstanceSettings", "dataSourceInstanceSettings")
_CHECK_HEALTH = "CheckHealth"


def as_in_7_5(received: Any) -> Any:
    """What a plugin received, as the one that was recorded would have seen it; version 1 is what it is."""
    if not isinstance(received, Mapping) or "method" not in received:
        return received
    request = _without_younger(received["request"])
    if received["method"] == _CHECK_HEALTH:
        request.pop("headers", None)  # younger there
    request["pluginContext"] = {**dict.fromkeys(_CONTEXT), **request["pluginContext"]}
    return {"method": received["method"], "request": request}


def _without_younger(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return [_without_younger(one) for one in value] if isinstance(value, list) else value
    return {key: _without_younger(inner) for key, inner in value.items() if key not in _YOUNGER}


def login(request: Any) -> str:
    """The name of the user on whose behalf a plugin was called; empty for nobody in particular."""
    match request:
        case {"method": _, "request": {"pluginContext": {"user": {"login": str(name)}}}}:
            return name
    return ""


def lacks_uid(situation: Situation) -> bool:
    """Was a plugin of version 2 called about a data source?"""
    return _source(situation.case.plugin_request) is not None


def with_uid(situation: Situation) -> Any:
    """The recorded request with the uid of its data source."""
    recorded = situation.case.plugin_request
    source = _source(recorded) or {}
    context = recorded["request"]["pluginContext"]
    uid = our_sources(situation.before)[int(source["id"])]["uid"]
    context = {**context, "dataSourceInstanceSettings": {**source, "uid": uid}}
    return {**recorded, "request": {**recorded["request"], "pluginContext": context}}


def _source(request: Any) -> Mapping[str, Any] | None:
    match request:
        case {"method": _, "request": {"pluginContext": {"dataSourceInstanceSettings": {"id": _} as source}}}:
            found: Mapping[str, Any] = source
            return found
    return None


def is_garbled(response: Any) -> bool:
    """Did the recorded server show an error or a `meta` otherwise than the plugin wrote it?"""
    results = response.get("responses", {}).values() if isinstance(response, Mapping) else ()
    return any("%" in one.get("error", "") or one.get("jsonMeta") for one in results)


def expected_results(response: Mapping[str, Any]) -> dict[str, Any]:
    """The results that a `QueryDataResponse`, as protobuf JSON, leads to, sorted by refId."""
    answers = response["responses"]
    return {ref_id: _result(ref_id, answers[ref_id]) for ref_id in sorted(answers)}


def _result(ref_id: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"error": answer["error"]} if answer.get("error") else {}
    shown["refId"] = ref_id
    if answer.get("jsonMeta"):
        shown["meta"] = json_text.parse(base64.b64decode(answer["jsonMeta"]).decode())
    return shown | {"series": None, "tables": None, "dataframes": list(answer.get("frames", ()))}
