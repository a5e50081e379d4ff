"""What the demonstration asks, and what has to come out: the backend is asked directly as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    path: where the plugin asks the backend. expected: of each frame that the backend's reply becomes, what
    its fields are called, and its values, column by column.
    """

    title: str
    model: Mapping[str, Any]
    path: str
    expected: Callable[[Any], Sequence[Mapping[str, Any]]]

    def model_for(self, uid: str) -> dict[str, Any]:
        return {"refId": "A", "datasource": {"uid": uid}, **self.model}

    def check(self, result: Mapping[str, Any], backend: httpx.Client, span: tuple[int, int]) -> str:
        """What is wrong with a result; empty when it is what the backend serves."""
        reply = backend.post(self.path, json=self._upstream(span)).raise_for_status().json()
        wanted, frames = self.expected(reply), result.get("frames", ())
        if len(frames) != len(wanted):
            return f"there should be {len(wanted)} frames, got {len(frames)}"
        for frame, one in zip(frames, wanted, strict=True):
            for key, value in one.items():
                got = _shown(frame)[key]
                if got != value:
                    return f"{key} should be {_short(value)}, got {_short(got)}"
        return ""

    def _upstream(self, span: tuple[int, int]) -> Mapping[str, Any]:
        if self.path == "/search":
            return {"target": self.model["target"]}
        return {"range": {"from": str(span[0]), "to": str(span[1])}, "targets": [self.model]}


def questions() -> tuple[Question, ...]:
    return (
        Question(
            "Time series: what the town measures, the last 24 hours",
            {"target": "*", "type": "timeserie", "intervalMs": 300_000, "maxDataPoints": 500},
            "/query",
            lambda reply: [
                {
                    "fields": ["time", one["target"]],
                    "values": [
                        [time for _, time in one["datapoints"]],
                        [value for value, _ in one["datapoints"]],
                    ],
                }
                for one in reply
            ],
        ),
        Question(
            "Table: the same, summed up",
            {"target": "*", "type": "table", "intervalMs": 300_000, "maxDataPoints": 500},
            "/query",
            lambda reply: [
                {"fields": [column["text"] for column in one["columns"]], "values": _columns(one["rows"])}
                for one in reply
            ],
        ),
        Question(
            "Search: the metrics with `power` in their name",
            {"target": "power", "queryType": "search"},
            "/search",
            lambda reply: [{"fields": ["text"], "values": [reply]}],
        ),
    )


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _shown(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    """A frame by what is expected of it."""
    fields = [field["name"] for field in frame["schema"]["fields"]]
    return {"fields": fields, "values": frame["data"]["values"]}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"
