"""What Grafana 7.5.5 would have answered, for a case recorded on 6.3: where the two differ, 7.5.5 is right.

The best source is the twin: the case of the same name in the same scenario, recorded on 7.5.5. Without one,
the differences that sections 1.4, 4.2, 4.5 and 7.2 of the HTTP specification list are applied.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from support.golden import json_text
from support.golden.cases import Case, Response

RIGHT_ENGINE = "7.5.5"
OLD_VERSION = "6.3.0"
BY_TWIN = "where 6.3 and 7.5.5 differ, 7.5.5 is right (its recording of this case)"
BY_SPECIFICATION = "where 6.3 and 7.5.5 differ, 7.5.5 is right (sections 1.4, 4.2, 4.5, 7.2)"

_ADDED_HEADERS = (("X-Content-Type-Options", "nosniff"), ("X-Xss-Protection", "1; mode=block"))
_OTHER_ANSWERS = {
    (500, "Unable to load datasource meta data"): (400, "Invalid data source ID"),
    (409, "Data source with same name already exists"): (
        409,
        "data source with the same name already exists",
    ),
}


@dataclass(frozen=True, slots=True)
class Newer:
    """A case as 7.5.5 answers it. reason: by what authority; empty where that is no difference."""

    case: Case
    reason: str = ""


def as_7_5(case: Case, twin: Case | None) -> Newer:
    """The case with the answer of 7.5.5; the request stays the one that is sent."""
    if case.engine == RIGHT_ENGINE or case.request is None or case.response is None:
        return Newer(case)
    if twin is not None and twin.request is not None and twin.response is not None:
        answer = dataclasses.replace(
            case,
            response=twin.response,
            plugin_request=twin.plugin_request,
            sent_at=twin.sent_at,
            volatile=(*twin.volatile, *_uids(twin.response.json())),
            upstream_requests=twin.upstream_requests,
        )
        return Newer(answer, BY_TWIN if answer != case else "")
    response = _by_specification(case.response)
    answer = dataclasses.replace(
        case,
        response=response,
        volatile=(*case.volatile, *_uids(response.json())),
        upstream_requests=_from_the_right_engine(case.upstream_requests),
    )
    return Newer(answer, BY_SPECIFICATION if answer != case else "")


def with_uid(case: Case, twin: Case | None) -> Case:
    """The case with the uid that its twin gives a data source: 6.3 knows none, and later requests name it."""
    if case.request is None or twin is None or twin.request is None:
        return case
    own, other = case.request.json(), twin.request.json()
    if not isinstance(own, dict) or not isinstance(other, dict) or own | {"uid": other.get("uid")} != other:
        return case
    return dataclasses.replace(case, request=twin.request)


def _uids(body: Any) -> Iterator[str]:
    """Where the body shows uids: 6.3 did not take them, so that requests recorded on it leave them to the
    server.
    """
    match body:
        case {"datasource": {"uid": str()}}:
            yield "/datasource/uid"
        case {"uid": str()}:
            yield "/uid"
        case list():
            yield from (f"/{i}/uid" for i, one in enumerate(body) if isinstance(one, dict) and "uid" in one)


def _by_specification(response: Response) -> Response:
    headers, status, text = response.headers, response.status, response.body_text
    if any(name == "X-Frame-Options" for name, _ in headers):
        headers = (*headers, *_ADDED_HEADERS)
    try:
        body = json_text.parse(text or "")
    except ValueError:
        return dataclasses.replace(response, headers=headers)
    match body:
        case {"results": dict(results)}:
            for result in results.values():
                result.setdefault("dataframes", None)
            text = json_text.dump(body)
        case {"message": str(message)} if (status, message) in _OTHER_ANSWERS:
            status, message = _OTHER_ANSWERS[status, message]
            text = json_text.dump({"message": message})
        case {"database": _, "version": _}:
            text = (text or "").replace(OLD_VERSION, RIGHT_ENGINE)
        case {"datasource": {"id": _}}:
            text = json_text.dump({**body, "datasource": _with_uid(body["datasource"])})
        case {"typeLogoUrl": _}:
            text = json_text.dump(_with_uid(body))
    return dataclasses.replace(response, status=status, headers=headers, body_text=text)


def _from_the_right_engine(requests: tuple[Mapping[str, Any], ...] | None) -> Any:
    """Requests to a server behind a data source, in which the proxy names itself."""
    if requests is None:
        return None
    return tuple(
        {
            **one,
            "headers": [[name, value.replace(OLD_VERSION, RIGHT_ENGINE)] for name, value in one["headers"]],
        }
        for one in requests
    )


def _with_uid(data_source: dict[str, Any]) -> dict[str, Any]:
    if "uid" in data_source:
        return data_source
    return {
        "id": data_source["id"],
        "uid": "…",
        **{key: value for key, value in data_source.items() if key != "id"},
    }
