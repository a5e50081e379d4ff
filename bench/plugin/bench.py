"""A data source that answers `{"series": n, "points": m}` with n series of m points each."""

from __future__ import annotations

import msgspec
import numpy as np

from graftage import DataSource, Query, Series, serve

START_MS = 1555324640782
STEP_MS = 1000


class Size(msgspec.Struct):
    """How much to answer."""

    series: int = 1
    points: int = 100


class Bench(DataSource):
    async def query(self, query: Query[Size]) -> list[Series]:
        steps = np.arange(query.model.points)
        series = Series("series", START_MS + STEP_MS * steps, np.sin(steps / 10) * 100, {"host": "a"})
        return [series] * query.model.series


serve(Bench)
