"""What our server holds of each data source after the writes of a scenario, where that is not what was
recorded.

Section 16 of the HTTP specification, rows 15 to 18 and 20: a version counts up, what is read-only or not
there cannot be updated, an empty text replaces, and passwords are never shown. Everything else of a data
source is as the recording shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from support.golden import json_text
from support.golden.cases import Case

NOT_FOUND = (404, "Data source not found")
READ_ONLY = (403, "Cannot update read-only data source")
STALE = (409, "Datasource has already been updated by someone else. Please reload and try again")
NAME_TAKEN = (409, "data source with the same name already exists")
UID_TAKEN = (409, "data source with the same uid already exists")

_REPLACEABLE = ("url", "database", "basicAuthUser")
_SECRET = ("password", "basicAuthPassword")
_BY_ID = re.compile(r"/api/datasources/([^/]+)/?")
_BY_NAME = re.compile(r"/api/datasources/(name|uid)/(.+)")

Source = dict[str, Any]


def our_sources(cases: Sequence[Case]) -> dict[int, Source]:
    """Data sources by id, in the single form, after these cases."""
    held: dict[int, Source] = {}
    for case in cases:
        written = written_source(case)
        if written is not None and refused_update(held, case) is None:
            number = int(written["id"])
            held[number] = _written(written, held.get(number), case)
        for number in _deleted(held, case):
            del held[number]
    return held


def refused_update(held: Mapping[int, Source], case: Case) -> tuple[int, str] | None:
    """Status and message with which ours refuses this update of a data source; None where it goes through."""
    path = _BY_ID.fullmatch(case.request.route) if case.request and case.request.method == "PUT" else None
    if path is None:
        return None
    number = int(path[1]) if re.fullmatch("[0-9]+", path[1]) else 0
    source, asked = held.get(number), _asked(case)
    if source is None:
        return NOT_FOUND
    others = [other for key, other in held.items() if key != number]
    if source["readOnly"]:
        return READ_ONLY
    if 0 < int(asked.get("version") or 0) < int(source["version"]):
        return STALE
    if any(other["name"] == asked.get("name") for other in others):
        return NAME_TAKEN
    return UID_TAKEN if any(other["uid"] == asked.get("uid") for other in others) else None


def written_source(case: Case) -> Source | None:
    """The data source that a recorded answer to an add or an update shows."""
    if case.request is None or case.response is None or case.request.method not in {"POST", "PUT"}:
        return None
    body = _parsed(case.response.body_text)
    source = body.get("datasource") if isinstance(body, dict) else None
    return source if isinstance(source, dict) and "id" in source else None


def _written(written: Source, before: Source | None, case: Case) -> Source:
    source = shown(written, {})
    if case.request is None or case.request.method == "POST" or before is None:
        return source
    asked = _asked(case)
    version = int(asked.get("version") or 0) or int(before["version"])
    source["version"] = json_text.Number(version + 1)
    for key in _REPLACEABLE:
        given = asked.get(key.lower())
        source[key] = before[key] if given is None else given
    source["user"] = asked.get("user") or ""  # 6.3 keeps the old one
    return source


def _deleted(held: Mapping[int, Source], case: Case) -> list[int]:
    if (
        case.request is None
        or case.request.method != "DELETE"
        or case.response is None
        or case.response.status != 200
    ):
        return []
    if found := _BY_NAME.fullmatch(case.request.route):
        return [number for number, source in held.items() if source[found[1]] == found[2]]
    found = _BY_ID.fullmatch(case.request.route)
    return [number for number in held if found is not None and found[1] == str(number)]


def shown(recorded: Source, ours: Mapping[str, Any]) -> Source:
    """A recorded data source, single or from a list, as ours shows it."""
    own = {key: ours[key] for key in ("version", "user", *_REPLACEABLE) if key in ours and key in recorded}
    return {**recorded, **own, **{key: "" for key in _SECRET if key in recorded}}


def sources_in(body: Any) -> Iterator[Source]:
    """Every data source that an answer shows."""
    match body:
        case {"datasource": {"orgId": _, "typeLogoUrl": _} as source}:
            yield source
        case {"orgId": _, "typeLogoUrl": _}:
            yield body
        case list():
            for one in body:
                yield from sources_in(one)


def as_ours(text: str, held: Mapping[int, Source]) -> str:
    """A recorded body with its data sources as ours shows them."""
    body = _parsed(text)
    for source in sources_in(body):
        ours = shown(source, held.get(int(source["id"]), {}))
        source.clear()
        source.update(ours)
    return json_text.dump(body)


def _asked(case: Case) -> Mapping[str, Any]:
    """The body of an update, its keys in lower case: Go matches them so."""
    body = _parsed(case.request.body if case.request else None)
    return {key.lower(): value for key, value in body.items()} if isinstance(body, dict) else {}


def _parsed(text: str | None) -> Any:
    try:
        return json_text.parse(text or "")
    except ValueError:
        return None
