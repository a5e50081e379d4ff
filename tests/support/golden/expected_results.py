"""The answer to `/api/tsdb/query` that a plugin's response should lead to, worked out a second time and
slowly.

Reads the protobuf JSON of a recorded `DatasourceResponse` and follows sections 4.5 and 4.6 of the HTTP
specification with
the better answers of its section 16: what JSON cannot hold is null, a value of an unknown kind is an error
of its own `refId`, and the message is that of the first failing `refId`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from support.golden.json_text import Number

_KINDS = ("TYPE_NULL", "TYPE_DOUBLE", "TYPE_INT64", "TYPE_BOOL", "TYPE_STRING", "TYPE_BYTES")


class UnknownKind(Exception):
    """A cell names a kind that no protocol version has."""


def unknown_kinds(response: Any) -> list[str]:
    """The refIds whose (last) result has a cell of a kind that nobody knows."""
    last = {result.get("refId", ""): result for result in response.get("results", ())}
    return [
        ref_id
        for ref_id, result in last.items()
        if any(
            _kind(cell) is None
            for table in result.get("tables", ())
            for row in table.get("rows", ())
            for cell in row.get("values", ())
        )
    ]


def has_infinity(response: Any) -> bool:
    """Is any point or double cell infinite, or any double cell no number?"""
    for result in response.get("results", ()):
        points = (point for one in result.get("series", ()) for point in one.get("points", ()))
        if any(math.isinf(float(point.get("value", 0))) for point in points):
            return True
        for table in result.get("tables", ()):
            for row in table.get("rows", ()):
                doubles = (c for c in row.get("values", ()) if _kind(c) == "TYPE_DOUBLE")
                if any(not math.isfinite(float(cell.get("doubleValue", 0))) for cell in doubles):
                    return True
    return False


def has_nan_in_series(response: Any) -> bool:
    """Is any point of a series no number?"""
    return any(
        math.isnan(float(point.get("value", 0)))
        for result in response.get("results", ())
        for one in result.get("series", ())
        for point in one.get("points", ())
    )


def expected_results(response: Any) -> tuple[dict[str, Any], str]:
    """Each result by refId, sorted, and the message: empty when nothing failed.

    An unknown kind leaves the text of its error open: it is "" here, and the result has no data.
    """
    results: dict[str, Any] = {}
    for result in response.get("results", ()):
        ref_id = result.get("refId", "")
        try:
            results[ref_id] = _result(ref_id, result)
        except UnknownKind:
            results[ref_id] = {"error": "", **_data(ref_id, [], None)}
    ordered = {ref_id: results[ref_id] for ref_id in sorted(results)}
    return ordered, next((one["error"] for one in ordered.values() if "error" in one), "")


def _result(ref_id: str, result: Mapping[str, Any]) -> dict[str, Any]:
    data = _data(ref_id, [_series(one) for one in result.get("series", ())], None)
    if result.get("tables"):
        data["tables"] = [_table(one) for one in result["tables"]]
    shown: dict[str, Any] = {"error": result["error"]} if result.get("error") else {}
    shown["refId"] = data.pop("refId")
    try:
        reader = json.JSONDecoder(parse_int=Number, parse_float=Number)
        shown["meta"] = in_order(reader.raw_decode(result.get("metaJson", "").strip())[0])
    except ValueError:
        pass  # no JSON, no key
    return shown | data


def in_order(value: Any) -> Any:
    """JSON with its keys sorted, at any depth."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(inner) for inner in value] if isinstance(value, list) else value


def _data(ref_id: str, series: list[Any], tables: Any) -> dict[str, Any]:
    return {"refId": ref_id, "series": series, "tables": tables, "dataframes": None}


def _series(series: Mapping[str, Any]) -> dict[str, Any]:
    points = [
        [_point_number(float(point.get("value", 0))), _point_number(float(int(point.get("timestamp", 0))))]
        for point in series.get("points", ())
    ]
    shown: dict[str, Any] = {"name": series.get("name", ""), "points": points}
    if series.get("tags"):
        shown["tags"] = dict(sorted(series["tags"].items()))
    return shown


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    columns = [{"text": column.get("name", "")} for column in table.get("columns", ())] or None
    return {
        "columns": columns,
        "rows": [[_cell(cell) for cell in row.get("values", ())] for row in table.get("rows", ())],
    }


def _kind(cell: Mapping[str, Any]) -> str | None:
    kind = cell.get("kind", 0)
    if isinstance(kind, str):
        return kind if kind in _KINDS else None
    return _KINDS[kind] if 0 <= kind < len(_KINDS) else None


def _cell(cell: Mapping[str, Any]) -> Any:
    match _kind(cell):
        case "TYPE_NULL":
            return None
        case "TYPE_DOUBLE":
            return cell_number(float(cell.get("doubleValue", 0)))
        case "TYPE_INT64":
            return Number(int(cell.get("int64Value", 0)))
        case "TYPE_BOOL":
            return bool(cell.get("boolValue", False))
        case "TYPE_STRING":
            return cell.get("stringValue", "")
        case "TYPE_BYTES":
            return cell.get("bytesValue") or None
        case _:
            raise UnknownKind


def _point_number(value: float) -> Number | None:
    """Shortest digits, never an exponent."""
    if not math.isfinite(value):
        return None
    digits = format(Decimal(repr(value)), "f")
    return Number(digits.removesuffix(".0"))


def cell_number(value: float) -> Number | None:
    """Shortest digits, with an exponent as JavaScript writes one."""
    if not math.isfinite(value) or value == 0 or 1e-6 <= abs(value) < 1e21:
        return _point_number(value)
    digits, exponent = repr(value).split("e")
    return Number(f"{digits.removesuffix('.0')}e{int(exponent):+d}")
