"""What our Simple JSON plugin makes of the answers of an HTTP server, worked out a second time.

The published plugin asks for all queries at once and gives answer n to query n; it reads table rows under
`values` only, cuts numbers, shows null as 0, and fails the whole call for an HTTP error. Ours asks for each
query on its own, and does none of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

PLUGIN_ID = "grafana-simple-json-backend-datasource"
SEARCH = "search"


def asked(request: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """What the HTTP server is asked.

    request: the recorded one, for its range. models: of the queries, in order.
    """
    span = json.loads(request["body"]).get("range")
    return tuple(_asked(model, span) for model in models)


def _asked(model: Mapping[str, Any], span: Any) -> Mapping[str, Any]:
    if model.get("queryType") == SEARCH:
        path, question = "/search", {"target": model.get("target") or ""}
    else:
        path, question = "/query", {"range": span, "targets": [dict(sorted(model.items()))]}
    body = json.dumps(question, ensure_ascii=False, separators=(",", ":"))
    return {"method": "POST", "path": path, "body": body}


def response(script: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The `DatasourceResponse` that ours sends, as protobuf JSON. An error in our own words is a blank."""
    return {"results": [_result(script, model) for model in models]}


def _result(script: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    is_search = model.get("queryType") == SEARCH
    reply = script.get("/search" if is_search else "/query") or script.get("*") or {}
    result: dict[str, Any] = {"refId": model.get("refId", "A")}
    if reply.get("status", 200) >= 400 or not isinstance(reply.get("body"), list):
        return result | {"error": " "}
    if is_search:
        return result | {"tables": [_found(reply["body"])]}
    tables = [_table(one["columns"], one) for one in reply["body"] if one.get("columns")]
    return result | {
        "series": [_series(one) for one in reply["body"] if not one.get("columns")],
        "tables": tables,
    }


def _series(target: Mapping[str, Any]) -> dict[str, Any]:
    points = [
        {"timestamp": str(moment), "value": "NaN" if value is None else value}
        for value, moment in target.get("datapoints") or ()
    ]
    return {"name": target.get("target", ""), "points": points}


def _table(columns: Sequence[Mapping[str, Any]], target: Mapping[str, Any]) -> dict[str, Any]:
    rows = target.get("rows") or target.get("values") or []
    whole = [
        all(isinstance(row[index], int) for row in rows if row[index] is not None)
        for index in range(len(columns))
    ]
    cells = [{"values": [_cell(value, whole[i]) for i, value in enumerate(row)]} for row in rows]
    return {"columns": [{"name": column.get("text", "")} for column in columns], "rows": cells}


def _found(body: Sequence[Any]) -> dict[str, Any]:
    if any(isinstance(one, Mapping) for one in body):
        columns = [{"text": "text"}, {"text": "value"}]
        return _table(columns, {"rows": [[one["text"], one.get("value")] for one in body]})
    return _table([{"text": "text"}], {"rows": [[one] for one in body]})


def _cell(value: Any, whole: bool) -> dict[str, Any]:
    match value:
        case None:
            return {"kind": "TYPE_NULL"}
        case bool():
            return {"kind": "TYPE_BOOL", "boolValue": value}
        case int() if whole:
            return {"kind": "TYPE_INT64", "int64Value": str(value)}
        case int() | float():
            return {"kind": "TYPE_DOUBLE", "doubleValue": value}
        case _:
            return {
                "kind": "TYPE_STRING",
                "stringValue": value if isinstance(value, str) else json.dumps(value),
            }
