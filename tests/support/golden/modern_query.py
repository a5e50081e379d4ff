"""Queries that name data sources by uid: what Grafana 8 and later make of them, and 7.5 did not.

Worked out a second time, for one data source of protocol version 1 that answers with series.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from support.golden import json_text
from support.golden.expected_results import cell_number, in_order
from support.golden.our_sources import our_sources
from support.golden.situation import Situation, written_settings

ROUTE = "/api/ds/query"


def asks_by_uid(situation: Situation) -> bool:
    """Does a query name its data source by uid, past what makes a request unreadable?"""
    return situation.route.rstrip("/") == ROUTE and any(map(_uid, situation.queries))


def source_ids(situation: Situation) -> list[int | None]:
    """The data source of each query; None for one that is not there."""
    ids = {source["uid"]: number for number, source in our_sources(situation.before).items()}
    return [
        ids.get(_uid(query)) if _uid(query) else int(query.get("datasourceId", 0)) or None
        for query in situation.queries
    ]


def request(situation: Situation, number: int) -> dict[str, Any]:
    """What a plugin of version 1 is asked; of moments the texts only."""
    times = {"fromRaw": situation.envelope["from"], "toRaw": situation.envelope["to"]}
    queries = [
        {
            "refId": query.get("refId", "A"),
            "maxDataPoints": str(query.get("maxDataPoints", 100)),
            "intervalMs": str(query.get("intervalMs", 1000)),
            "modelJson": json_text.dump(in_order(query)),
        }
        for query in situation.queries
    ]
    return {"timeRange": times, "datasource": written_settings(situation, number), "queries": queries}


def answer(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results of a plugin of version 1, by refId, as frames."""
    return {one["refId"]: {"status": 200, "frames": _frames(one)} for one in results}


def script(situation: Situation) -> Sequence[Mapping[str, Any]]:
    """The results that the scripted plugin was told to give."""
    models = json.loads(json_text.dump(situation.queries))
    told: Mapping[str, Any] = next((model["probe"] for model in models if "probe" in model), {})
    results: Sequence[Mapping[str, Any]] = told.get("response", {}).get("results", ())
    return results


def is_series_only(results: Sequence[Mapping[str, Any]]) -> bool:
    """Are these results whose frames this module knows?"""
    return not any(one.get("tables") or one.get("error") for one in results)


def _frames(result: Mapping[str, Any]) -> list[Any]:
    return [_frame(result["refId"], series) for series in result.get("series", ())]


def _frame(ref_id: str, series: Mapping[str, Any]) -> dict[str, Any]:
    points = series.get("points", ())
    numbers = [float(point.get("value", 0)) for point in points]
    time = {"name": "time", "type": "time", "typeInfo": {"frame": "time.Time", "nullable": True}}
    value: dict[str, Any] = {"name": "value", "type": "number"}
    value["typeInfo"] = {"frame": "float64", "nullable": True}
    if series.get("tags"):
        value["labels"] = dict(sorted(series["tags"].items()))
    data: dict[str, Any] = {
        "values": [[int(point.get("timestamp", 0)) for point in points], [cell_number(n) for n in numbers]]
    }
    odd = {
        "NaN": [row for row, number in enumerate(numbers) if math.isnan(number)],
        "Inf": [row for row, number in enumerate(numbers) if number == math.inf],
        "NegInf": [row for row, number in enumerate(numbers) if number == -math.inf],
    }
    if any(odd.values()):
        data["entities"] = [None, {key: rows for key, rows in odd.items() if rows}]
    named = {"name": series["name"]} if series.get("name") else {}
    return {"schema": {**named, "refId": ref_id, "fields": [time, value]}, "data": data}


def _uid(query: Any) -> str:
    named = query.get("datasource") if isinstance(query, Mapping) else None
    if isinstance(named, Mapping):
        return str(named.get("uid", ""))
    return str(named or "") if "datasourceId" not in (query or {}) else ""
