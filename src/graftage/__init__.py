"""Grafana's backend plugin system in Python: a host for plugins, and an SDK to write them.

The names of the SDK are loaded when first asked for: a plugin that needs no frames starts without NumPy, and
the host never loads the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graftage.backend.admission import Operation as Operation
    from graftage.backend.admission import Reason as Reason
    from graftage.backend.admission import Verdict as Verdict
    from graftage.backend.context import User as User
    from graftage.backend.secrets import Secrets as Secrets
    from graftage.backend.stream import StreamStatus as StreamStatus
    from graftage.data.data_plane import logs as logs
    from graftage.data.data_plane import numeric as numeric
    from graftage.data.data_plane import timeseries as timeseries
    from graftage.data.frame import Field as Field
    from graftage.data.frame import FieldType as FieldType
    from graftage.data.frame import Frame as Frame
    from graftage.data.intake import frame_from as frame_from
    from graftage.data.series import Series as Series
    from graftage.data.table import Table as Table
    from graftage.sdk.admission import AdmissionRequest as AdmissionRequest
    from graftage.sdk.admission import ConversionRequest as ConversionRequest
    from graftage.sdk.context import RequestContext as RequestContext
    from graftage.sdk.context import current as current
    from graftage.sdk.data_source import App as App
    from graftage.sdk.data_source import DataSource as DataSource
    from graftage.sdk.data_source import query_type as query_type
    from graftage.sdk.errors import DownstreamError as DownstreamError
    from graftage.sdk.errors import PluginError as PluginError
    from graftage.sdk.health import Health as Health
    from graftage.sdk.query import Queries as Queries
    from graftage.sdk.query import Query as Query
    from graftage.sdk.query import TimeRange as TimeRange
    from graftage.sdk.resource import ResourceResponse as ResourceResponse
    from graftage.sdk.resource import resource as resource
    from graftage.sdk.resource_request import ResourceRequest as ResourceRequest
    from graftage.sdk.response import Notice as Notice
    from graftage.sdk.response import Response as Response
    from graftage.sdk.serving import serve as serve
    from graftage.sdk.settings import Settings as Settings
    from graftage.sdk.stream import stream as stream
    from graftage.sdk.stream_request import StreamRequest as StreamRequest

__version__ = "0.1.0"

_HOMES = {
    "AdmissionRequest": "graftage.sdk.admission",
    "App": "graftage.sdk.data_source",
    "ConversionRequest": "graftage.sdk.admission",
    "DataSource": "graftage.sdk.data_source",
    "DownstreamError": "graftage.sdk.errors",
    "Field": "graftage.data.frame",
    "FieldType": "graftage.data.frame",
    "Frame": "graftage.data.frame",
    "Health": "graftage.sdk.health",
    "Notice": "graftage.sdk.response",
    "Operation": "graftage.backend.admission",
    "PluginError": "graftage.sdk.errors",
    "Queries": "graftage.sdk.query",
    "Query": "graftage.sdk.query",
    "Reason": "graftage.backend.admission",
    "RequestContext": "graftage.sdk.context",
    "ResourceRequest": "graftage.sdk.resource_request",
    "ResourceResponse": "graftage.sdk.resource",
    "Response": "graftage.sdk.response",
    "Secrets": "graftage.backend.secrets",
    "Series": "graftage.data.series",
    "Settings": "graftage.sdk.settings",
    "StreamRequest": "graftage.sdk.stream_request",
    "StreamStatus": "graftage.backend.stream",
    "Table": "graftage.data.table",
    "TimeRange": "graftage.sdk.query",
    "User": "graftage.backend.context",
    "Verdict": "graftage.backend.admission",
    "current": "graftage.sdk.context",
    "frame_from": "graftage.data.intake",
    "logs": "graftage.data.data_plane",
    "numeric": "graftage.data.data_plane",
    "query_type": "graftage.sdk.data_source",
    "resource": "graftage.sdk.resource",
    "serve": "graftage.sdk.serving",
    "stream": "graftage.sdk.stream",
    "timeseries": "graftage.data.data_plane",
}

__all__ = [
    "__version__",
    *sorted(_HOMES),
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    import_module("graftage.sdk")  # first of all: under a host it takes descriptor 1 away from stray prints
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
