"""A query and what comes back, as host and SDK both see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graftage.backend.secrets import Secrets
from graftage.data.series import Series
from graftage.data.table import Table


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The span a query asks for: milliseconds since 1970, and the texts the user wrote (`now-6h`)."""

    from_ms: int
    to_ms: int
    from_raw: str = ""
    to_raw: str = ""


@dataclass(frozen=True, slots=True)
class DataSourceSettings:
    """One configured data source, as a plugin gets to see it.

    json: the `jsonData` object as JSON text, as the plugin shall receive it (`{}` when nothing is set).
    """

    id: int
    org_id: int
    name: str
    type: str
    url: str = ""
    json: str = "{}"
    secrets: Secrets = field(default_factory=Secrets)
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a request.

    json: the whole query model as JSON text. interval_ms: the step the panel wants, in milliseconds.
    """

    ref_id: str
    json: str = "{}"
    interval_ms: int = 1000
    max_data_points: int = 100


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """Queries to one data source over one time range: one call to one plugin."""

    time_range: TimeRange
    data_source: DataSourceSettings
    queries: tuple[Query, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a plugin answered under one `ref_id`. An error may stand beside data.

    meta_json: JSON text as the plugin sent it; empty when it sent none.
    """

    ref_id: str
    error: str = ""
    meta_json: str = ""
    series: tuple[Series, ...] = ()
    tables: tuple[Table, ...] = ()
