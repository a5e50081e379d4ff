"""What the demonstration asks, and what has to come out: the backend is asked directly as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    path: where the plugin asks the backend. expected: the result that the backend's reply becomes.
    """

    title: str
    model: Mapping[str, Any]
    path: str
    expected: Callable[[Any], Mapping[str, Any]]

    def model_for(self, data_source_id: int) -> dict[str, Any]:
        return {"refId": "A", "datasourceId": data_source_id, **self.model}

    def check(self, result: Mapping[str, Any], backend: httpx.Client, span: tuple[int, int]) -> str:
        """What is wrong with a result; empty when it is what the backend serves."""
        reply = backend.post(self.path, json=self._upstream(span)).raise_for_status().json()
        wanted = self.expected(reply)
        for key, value in wanted.items():
            if result.get(key) != value:
                return f"{key} should be {_short(value)}, got {_short(result.get(key))}"
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
            lambda reply: {
                "series": [{"name": one["target"], "points": one["datapoints"]} for one in reply],
                "tables": None,
            },
        ),
        Question(
            "Table: the same, summed up",
            {"target": "*", "type": "table", "intervalMs": 300_000, "maxDataPoints": 500},
            "/query",
            lambda reply: {
                "series": [],
                "tables": [
                    {"columns": [{"text": column["text"]} for column in one["columns"]], "rows": one["rows"]}
                    for one in reply
                ],
            },
        ),
        Question(
            "Search: the metrics with `power` in their name",
            {"target": "power", "queryType": "search"},
            "/search",
            lambda reply: {"tables": [{"columns": [{"text": "text"}], "rows": [[name] for name in reply]}]},
        ),
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"
