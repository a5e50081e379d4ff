"""A recorded case with what came before it in its file, and the questions that rules ask about the two."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.golden import json_text
from support.golden.cases import Case, Setup
from support.golden.our_sources import our_sources

_QUERY = re.compile(r"/api/(tsdb|ds)/query/?")
_DATA_SOURCE = re.compile(r"/api/datasources/([^/]+)/?")


@dataclass(frozen=True, slots=True)
class Situation:
    """case: the one in question, as this run sends it. before: the earlier cases of its file.

    unbuilt: names of features whose absence already changed what the server holds.
    """

    case: Case
    before: tuple[Case, ...] = ()
    setup: Setup = dataclasses.field(default_factory=Setup)
    unbuilt: frozenset[str] = frozenset()

    def of(self, case: Case) -> Situation:
        """The same situation with another reading of the case."""
        return dataclasses.replace(self, case=case)

    @property
    def route(self) -> str:
        return self.case.request.route if self.case.request else ""

    @property
    def method(self) -> str:
        return self.case.request.method if self.case.request else ""

    @property
    def status(self) -> int | None:
        """The recorded status."""
        return self.case.response.status if self.case.response else None

    @property
    def message(self) -> str | None:
        """The recorded message of a short answer."""
        body = self.case.response.json() if self.case.response else None
        return body.get("message") if isinstance(body, dict) else None

    @property
    def is_query(self) -> bool:
        return self.method == "POST" and _QUERY.fullmatch(self.route) is not None

    @property
    def envelope(self) -> Mapping[str, Any]:
        """The body of a query, its own keys in lower case: Go matches them so."""
        try:
            body = json_text.parse((self.case.request.body if self.case.request else None) or "")
        except ValueError:
            return {}
        return {key.lower(): value for key, value in body.items()} if isinstance(body, dict) else {}

    @property
    def queries(self) -> list[Any]:
        found = self.envelope.get("queries")
        return found if isinstance(found, list) else []

    @property
    def ref_ids(self) -> list[str]:
        """The refIds that the plugin was asked for, sorted, each once."""
        return sorted({_ref_id(query) for query in self.queries})

    @property
    def data_source_ids(self) -> list[int]:
        """For each query the data source that it means: its own, or else that of the first."""
        named = [
            int64(query.get("datasourceId")) if isinstance(query, dict) else None for query in self.queries
        ]
        first = named[0] if named else None
        return [] if first is None else [first if number is None else number for number in named]

    @property
    def scripted(self) -> Any:
        """What the plugin was scripted to answer, or None when it was scripted to do something else."""
        response = self.case.plugin_response
        return response if isinstance(response, Mapping) and "$action" not in response else None

    @property
    def action(self) -> Mapping[str, Any] | None:
        """What the plugin was scripted to do instead of answering."""
        response = self.case.plugin_response
        return response.get("$action") if isinstance(response, Mapping) else None

    def last_write(self, data_source_id: int) -> Case | None:
        """The latest earlier case in which a data source of this id was added, updated or deleted."""
        return next((case for case in reversed(self.before) if _written_id(case) == data_source_id), None)


def int64(value: Any) -> int | None:
    """The value of an integer literal within 64 bits; None for everything else."""
    if not isinstance(value, json_text.Number) or not re.fullmatch("-?[0-9]+", value):
        return None
    return int(value) if -(2**63) <= int(value) < 2**63 else None


def _ref_id(query: Any) -> str:
    found = query.get("refId") if isinstance(query, dict) else None
    return found if isinstance(found, str) and not isinstance(found, json_text.Number) else "A"


def _written_id(case: Case) -> int | None:
    if case.request is None or case.response is None or case.response.status != 200:
        return None
    body = case.response.json()
    if case.request.method in {"POST", "PUT"} and isinstance(body, dict) and "datasource" in body:
        return int(body["datasource"]["id"])
    found = _DATA_SOURCE.fullmatch(case.request.route)
    return int(found[1]) if case.request.method == "DELETE" and found and found[1].isdigit() else None


def known_ids(before: Sequence[Case]) -> set[int]:
    """Data sources that exist after these cases."""
    known: set[int] = set()
    for case in before:
        number = _written_id(case)
        if number is not None and case.request is not None:
            (known.discard if case.request.method == "DELETE" else known.add)(number)
    return known


def written_settings(situation: Situation, number: int) -> dict[str, Any]:
    """A data source as its plugin gets to see it after what was written so far, in protobuf JSON."""
    shown = our_sources(situation.before)[number]
    written = situation.last_write(number)
    asked = written.request.json() if written is not None and written.request is not None else None
    return {
        "id": str(number),
        "orgId": str(shown["orgId"]),
        "name": shown["name"],
        "type": shown["type"],
        "url": shown["url"],
        "jsonData": json_text.dump(shown["jsonData"]),
        "decryptedSecureJsonData": (asked.get("secureJsonData") if isinstance(asked, dict) else None) or {},
    }


def current_request(situation: Situation) -> Any:
    """The plugin request with the data source as it was last written; None when it was deleted."""
    request = situation.case.plugin_request
    if not situation.is_query or "timeRange" not in request or not situation.data_source_ids:
        return request
    written = situation.last_write(situation.data_source_ids[0])
    if written is None or written.request is None:
        return request
    if written.request.method == "DELETE":
        return None
    source = written_settings(situation, situation.data_source_ids[0])
    kept = {key: source[key] for key in ("name", "type", "url", "jsonData")}
    return {**request, "datasource": {**request["datasource"], **kept}}
