"""A data source that answers `{"series": n, "points": m}` with n series of m points each."""

from __future__ import annotations

import msgspec
import numpy as np

from graftage import DataSource, Field, FieldType, Frame, Query, serve

START_MS = 1555324640782
STEP_MS = 1000


class Size(msgspec.Struct):
    """How much to answer."""

    series: int = 1
    points: int = 100


class Bench(DataSource):
    async def query(self, query: Query[Size]) -> list[Frame]:
        steps = np.arange(query.model.points)
        times = (START_MS + STEP_MS * steps).astype("datetime64[ms]").astype("datetime64[ns]")
        time = Field("time", FieldType.TIME, times)
        value = Field("series", FieldType.FLOAT64, np.sin(steps / 10) * 100, labels={"host": "a"})
        return [Frame((time, value))] * query.model.series


serve(Bench)
