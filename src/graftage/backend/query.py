"""A query and what comes back, as host and SDK both see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.data.series import Series
from graftage.data.table import Table


class FrameFormat(IntEnum):
    """How the frames of an answer are written in version 2. The numbers are those on the wire."""

    ARROW = 0
    JSON = 1


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The span a query asks for: milliseconds since 1970, and the texts the user wrote (`now-6h`)."""

    from_ms: int
    to_ms: int
    from_raw: str = ""
    to_raw: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a request.

    json: the whole query model as JSON text. interval_ms: the step the panel wants, in milliseconds.
    query_type: as the host says it; version 1 has it in the model only. time_range: None means the one of the
    request.
    """

    ref_id: str
    json: str = "{}"
    interval_ms: int = 1000
    max_data_points: int = 100
    query_type: str = ""
    time_range: TimeRange | None = None


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """Queries to one data source, or one app, over one time range: one call to one plugin.

    headers: of the HTTP request behind it. They may hold credentials and do not show. frame_format: how the
    host wants the frames written; what comes in another format is of no use to it.
    """

    time_range: TimeRange
    context: PluginContext
    queries: tuple[Query, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    frame_format: int = FrameFormat.ARROW

    @property
    def data_source(self) -> DataSourceSettings:
        """The data source that is asked. Raises ValueError when an app is."""
        if self.context.data_source is None:
            raise ValueError("this request is to an app, not to a data source")
        return self.context.data_source


@dataclass(frozen=True, slots=True)
class Result:
    """What a plugin answered under one `ref_id`. An error may stand beside data.

    meta_json: JSON text as the plugin sent it; empty when it sent none. series, tables: of a plugin that
    speaks version 1. arrow: of one that speaks version 2, the frames as Arrow files, just as they came;
    None otherwise. `backend.frames` makes frames of either. status: by the codes of HTTP; 0 when the plugin
    said nothing. error_source: `plugin`, `downstream` or empty.
    """

    ref_id: str
    error: str = ""
    meta_json: str = ""
    series: tuple[Series, ...] = ()
    tables: tuple[Table, ...] = ()
    arrow: tuple[bytes, ...] | None = None
    status: int = 0
    error_source: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer that comes in pieces: more rows of one frame, or an error.

    frame_id: which frame of the query the rows belong to. arrow: a whole Arrow file; None with an error.
    """

    ref_id: str
    frame_id: str = ""
    arrow: bytes | None = None
    error: str = ""
    status: int = 0
    error_source: str = ""
