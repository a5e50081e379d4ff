"""A data source with a handler for everything, made with our SDK, for hosts written in Go.

What it answers under a refId is what the query's model asks for: a method of the query's `queryType`. The
same plugin in Go is `sdkplugin`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np

from graftage import DataSource, DownstreamError, Field, FieldType, Frame, Health, Query, query_type, serve

FIRST = np.datetime64("2026-11-22T01:02:03.456789012")


def series(first: int, rows: int) -> dict[str, Any]:
    """The rows from `first` on, one a second."""
    steps = np.arange(first, first + rows)
    return {"time": FIRST + steps.astype("m8[s]"), "value": np.sin(steps / 10) * 100}


VALUES: dict[FieldType, list[Any]] = {
    **{
        kind: [1, np.iinfo(kind.dtype).min, np.iinfo(kind.dtype).max]
        for kind in FieldType
        if kind.dtype.kind in "iu"
    },
    FieldType.FLOAT32: [1.5, 2.0**-149, 2.0**127],
    FieldType.FLOAT64: [1.5, 2.0**-1074, -(2.0**1023)],
    FieldType.STRING: ["a", "", "grüß <dich> 🙂"],
    FieldType.BOOL: [True, False, True],
    FieldType.TIME: [FIRST, np.datetime64(0, "ns"), np.datetime64(-1, "ns")],
    FieldType.JSON: ['{"a":[1,null]}', "null", '"b"'],
}


def kinds() -> Frame:
    """Two fields of every type, plain and with nothing for the first value, and something in every place."""
    fields = []
    for kind in FieldType:
        values = np.array(VALUES[kind], kind.dtype)
        config = {"type": {"enum": {"text": ["off", "on"]}}} if kind is FieldType.ENUM else {"unit": "s"}
        gaps = np.array([False, True, True])
        fields += [
            Field(kind.value, kind, values, None, {"host": "a b"}, config),
            Field(f"{kind.value}?", kind, values, gaps, None, {"displayName": "ü", "min": 0.5}),
        ]
    meta = {
        "type": "table",
        "typeVersion": [0, 1],
        "custom": {"mine": [1, 2]},
        "notices": [{"severity": "warning", "text": "mind"}],
        "executedQueryString": "SELECT 1",
    }
    return Frame(tuple(fields), "kinds", meta=meta)


def table(library: str) -> Any:
    """One table with a column of each type that such libraries have, as `library` holds it."""
    import pyarrow as pa

    columns = {
        "text": pa.array(["a", None, "ü"]),
        "category": pa.array(["a", None, "b"]).dictionary_encode(),
        "bool": pa.array([True, None, False]),
        **{
            f"{kind}": pa.array([1, None, 2], kind)
            for kind in map(
                pa.type_for_alias,
                ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double"),
            )
        },
        "time": pa.array([1_700_000_000_123_456_789, None, -1], pa.timestamp("ns")),
        "zoned": pa.array([1_700_000_000_123_456, None, -1], pa.timestamp("us", "UTC")),
        "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    }
    whole = pa.table(columns)
    match library:
        case "pyarrow":
            return whole
        case "pandas":
            import pandas as pd

            own = {
                kind: pd.array([], dtype=name).dtype
                for kind, name in {
                    **{pa.type_for_alias(name.lower()): name for name in _NULLABLE_OF_PANDAS},
                    pa.bool_(): "boolean",
                }.items()
            }
            return whole.to_pandas(types_mapper=own.get)
        case "polars":
            import polars as pl

            return pl.DataFrame(whole)
        case "duckdb":
            import duckdb

            return duckdb.connect().from_arrow(whole)
    raise ValueError(f"no library {library!r}")


_NULLABLE_OF_PANDAS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


class Everything(DataSource):
    cancelled = 0  # calls, of all instances

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        if settings.url == "broken":
            raise ValueError("this data source cannot be made")

    async def check_health(self) -> Health:
        if self.settings.url == "unwell":
            raise DownstreamError("it is unwell")
        return Health.ok(f"{self.settings.name} is well", details={"secret": self.settings.secrets["key"]})

    @query_type("kinds")
    async def kinds(self, query: Query[Any]) -> Frame:
        return kinds()

    @query_type("table")
    def table(self, query: Query[Any]) -> Any:
        return table(query.model["library"])

    @query_type("series")
    async def series(self, query: Query[Any]) -> dict[str, Any]:
        return series(0, query.model["rows"])

    @query_type("pieces")
    def pieces(self, query: Query[Any]) -> Iterator[dict[str, Any]]:
        for piece in range(3):
            yield series(piece * 10, 10)
        if query.model.get("fail"):
            raise DownstreamError("broke off")

    @query_type("error")
    async def error(self, query: Query[Any]) -> None:
        raise DownstreamError("no such metric", status=404)

    @query_type("sleep")
    async def sleep(self, query: Query[Any]) -> AsyncIterator[dict[str, Any]]:
        yield series(0, 1)
        try:
            await asyncio.Event().wait()
        finally:
            Everything.cancelled += 1

    @query_type("cancelled")
    async def count(self, query: Query[Any]) -> dict[str, Any]:
        return {"calls": [Everything.cancelled]}

    @query_type("context")
    async def context(self, query: Query[Any]) -> dict[str, Any]:
        context, settings = query.context, query.settings
        told = {
            "org": context.org_id,
            "plugin": [context.plugin_id, context.plugin_version],
            "user": [query.user.login, query.user.role] if query.user else None,
            "config": dict(context.config),
            "version": context.grafana_version,
            "source": [settings.uid, settings.name, settings.url, settings.json, settings.secrets["key"]],
            "alert": query.is_alert,
            "range": [query.time_range.from_ms, query.time_range.to_ms],
            "interval": query.interval.total_seconds(),
            "points": query.max_data_points,
        }
        return {"told": [json.dumps(told)]}


if __name__ == "__main__":
    serve(Everything)
