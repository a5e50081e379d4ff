"""A data source with a handler for everything, made with our SDK, for hosts written in Go.

A query is answered by the method of its `queryType`. The same plugin in Go is `sdkplugin`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from graftage import (
    AdmissionRequest,
    ConversionRequest,
    DataSource,
    DownstreamError,
    Field,
    FieldType,
    Frame,
    Health,
    Operation,
    Query,
    ResourceRequest,
    ResourceResponse,
    StreamRequest,
    Verdict,
    query_type,
    resource,
    serve,
    stream,
)

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


NUMBERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


def table(library: str) -> Any:
    """One table with a column of each type that such libraries have, as `library` holds it."""
    import pyarrow as pa

    numbers = [pa.type_for_alias(name.lower()) for name in NUMBERS]
    decimals = [Decimal("1.10"), None, Decimal("-1.10")]
    columns = {
        "text": pa.array(["a", None, "ü"]),
        "category": pa.array(["a", None, "b"]).dictionary_encode(),
        "bool": pa.array([True, None, False]),
        **{str(kind): pa.array([1, None, 2], kind) for kind in (*numbers, pa.float32(), pa.float64())},
        "decimal": pa.array(decimals, pa.decimal128(5, 2)),
        "time": pa.array([1_700_000_000_123_456_789, None, -1], pa.timestamp("ns")),
        "zoned": pa.array([1_700_000_000_123_456, None, -1], pa.timestamp("us", "UTC")),
        "date": pa.array([date(1970, 1, 2), None, date(1969, 12, 31)]),
        "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    }
    whole = pa.table(columns)
    match library:
        case "pyarrow":
            return whole
        case "pandas":
            import pandas as pd

            nullable = {
                kind: pd.api.types.pandas_dtype(name) for kind, name in zip(numbers, NUMBERS, strict=True)
            }
            return whole.to_pandas(types_mapper={**nullable, pa.bool_(): pd.BooleanDtype()}.get)
        case "polars":
            import polars as pl

            return pl.DataFrame(whole)
        case "duckdb":
            import duckdb

            return duckdb.connect().from_arrow(whole)
    raise ValueError(f"no library {library!r}")


one_was_cancelled = asyncio.Event()  # a call or a stream that would never have ended by itself


@contextmanager
def cancelled_some_time() -> Iterator[None]:
    try:
        yield
    finally:
        one_was_cancelled.set()


class Everything(DataSource):
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
        with cancelled_some_time():
            yield series(0, 1)
            await asyncio.Event().wait()

    @query_type("cancelled")
    async def cancelled(self, query: Query[Any]) -> dict[str, Any]:
        await one_was_cancelled.wait()
        return {"cancelled": [True]}

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

    @resource("POST", "/echo/{name}")
    async def echo(self, request: ResourceRequest, name: str) -> ResourceResponse:
        told = {
            "name": name,
            "query": request.query.all("q"),
            "asked": request.headers["X-Asked"],
            "body": request.body.decode(),
        }
        return ResourceResponse(told, status=418, headers={"X-Many": ["a", "b"]})

    @resource("GET", "/parts")
    def parts(self) -> Iterator[str]:
        for part in range(3):
            yield f"part {part};"

    @resource("GET", "/wait")
    async def wait(self) -> AsyncIterator[str]:
        with cancelled_some_time():
            yield "waiting"
            await asyncio.Event().wait()

    @resource("GET", "/failing")
    async def failing(self) -> None:
        raise DownstreamError("the database is down", status=503)

    @stream("numbers/{first}/{last}")
    async def numbers(self, first: str, last: str) -> AsyncIterator[str]:
        for number in range(int(first), int(last)):
            yield json.dumps({"n": number})

    @numbers.publish
    async def say(self, first: str, last: str, request: StreamRequest) -> str:
        return json.dumps({"published": request.json()})

    @stream("numbers/{first}/{last}/on")
    async def endless_numbers(self, first: str, last: str) -> AsyncIterator[str]:
        with cancelled_some_time():
            async for packet in self.numbers(first, last):
                yield packet
            await asyncio.Event().wait()

    @stream("rows")
    def rows(self) -> Iterator[dict[str, Any]]:
        yield {"time": FIRST, "value": 1.5}
        yield {"time": FIRST, "value": 2.5}

    @stream("broken")
    async def broken(self) -> AsyncIterator[str]:
        yield "1"
        raise DownstreamError("the stream is broken")

    @broken.authorize
    def nobody(self, request: StreamRequest) -> None:
        raise PermissionError("nobody may see it")

    def validate_admission(self, request: AdmissionRequest) -> Verdict:
        check(request)
        return Verdict(True, warnings=(f"{Operation(request.operation).name} of {request.kind.kind}",))

    def mutate_admission(self, request: AdmissionRequest) -> dict[str, Any]:
        check(request)
        return {"old": request.old_object, "new": request.object}

    def convert_objects(self, request: ConversionRequest) -> list[dict[str, Any]]:
        return [{request.version: one} for one in request.objects]


def check(request: AdmissionRequest) -> None:
    if request.object is None:
        raise DownstreamError("there is nothing to look at")
    if "bad" in request.object:
        raise PermissionError("it is bad")


if __name__ == "__main__":
    serve(Everything)
