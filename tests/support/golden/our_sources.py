"""What our server holds of each data source after the writes of a scenario, where that is not what was
recorded.

Sections 16 rows 15, 18 and 20 of the HTTP specification: a version counts up, an empty text replaces, and
passwords are never shown. Everything else of a data source is as the recording shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from support.golden import json_text
from support.golden.cases import Case

_REPLACEABLE = ("url", "database", "basicAuthUser")
_SECRET = ("password", "basicAuthPassword")

Source = dict[str, Any]


def our_sources(cases: Sequence[Case]) -> dict[int, Source]:
    """Data sources by id, in the single form, after these cases."""
    held: dict[int, Source] = {}
    for case in cases:
        written = written_source(case)
        if written is not None and case.request is not None:
            number = int(written["id"])
            held[number] = _ours(written, held.get(number), case)
    return held


def written_source(case: Case) -> Source | None:
    """The data source that a recorded answer to an add or an update shows."""
    if case.request is None or case.response is None or case.request.method not in {"POST", "PUT"}:
        return None
    body = _parsed(case.response.body_text)
    source = body.get("datasource") if isinstance(body, dict) else None
    return source if isinstance(source, dict) and "id" in source else None


def _ours(written: Source, before: Source | None, case: Case) -> Source:
    source = shown(written, {})
    if case.request is None or case.request.method == "POST" or before is None:
        return source
    asked = _parsed(case.request.body)
    asked = {key.lower(): value for key, value in asked.items()} if isinstance(asked, dict) else {}
    version = int(asked.get("version") or 0)
    source["version"] = json_text.Number((version or int(before["version"])) + 1)
    for key in _REPLACEABLE:
        given = asked.get(key.lower())
        source[key] = before[key] if given is None else given
    return source


def shown(recorded: Source, ours: Mapping[str, Any]) -> Source:
    """A recorded data source, single or from a list, as ours shows it."""
    own = {key: ours[key] for key in ("version", *_REPLACEABLE) if key in ours and key in recorded}
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


def _parsed(text: str | None) -> Any:
    try:
        return json_text.parse(text or "")
    except ValueError:
        return None
