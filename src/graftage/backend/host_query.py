"""Queries of a plugin to another data source of its host."""

from __future__ import annotations

from dataclasses import dataclass, field

from graftage.backend.query import Query, TimeRange


@dataclass(frozen=True, slots=True)
class HostQueryRequest:
    """token: of the call on whose behalf the plugin asks; it does not show. uid: of the data source asked."""

    token: str = field(repr=False)
    uid: str
    time_range: TimeRange
    queries: tuple[Query, ...]
