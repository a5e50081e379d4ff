"""Grafana's backend plugin system in Python: a host for plugins, and an SDK to write them.

The names of the SDK are loaded when first asked for: a plugin that needs no frames starts without NumPy, and
the host never loads the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graftage.backend.context import User as User
    from graftage.backend.secrets import Secrets as Secrets
    from graftage.data.data_plane import logs as logs
    from graftage.data.data_plane import numeric as numeric
    from graftage.data.data_plane import timeseries as timeseries
    from graftage.data.frame import Field as Field
    from graftage.data.frame import FieldType as FieldType
    from graftage.data.frame import Frame as Frame
    from graftage.data.intake import frame_from as frame_from
    from graftage.data.series import Series as Series
    from graftage.data.table import Table as Table
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
    from graftage.sdk.response import Notice as Notice
    from graftage.sdk.response import Response as Response
    from graftage.sdk.serving import serve as serve
    from graftage.sdk.settings import Settings as Settings

__version__ = "0.1.0"

_HOMES = {
    "App": "graftage.sdk.data_source",
    "DataSource": "graftage.sdk.data_source",
    "DownstreamError": "graftage.sdk.errors",
    "Field": "graftage.data.frame",
    "FieldType": "graftage.data.frame",
    "Frame": "graftage.data.frame",
    "Health": "graftage.sdk.health",
    "Notice": "graftage.sdk.response",
    "PluginError": "graftage.sdk.errors",
    "Queries": "graftage.sdk.query",
    "Query": "graftage.sdk.query",
    "RequestContext": "graftage.sdk.context",
    "Response": "graftage.sdk.response",
    "Secrets": "graftage.backend.secrets",
    "Series": "graftage.data.series",
    "Settings": "graftage.sdk.settings",
    "Table": "graftage.data.table",
    "TimeRange": "graftage.sdk.query",
    "User": "graftage.backend.context",
    "current": "graftage.sdk.context",
    "frame_from": "graftage.data.intake",
    "logs": "graftage.data.data_plane",
    "numeric": "graftage.data.data_plane",
    "query_type": "graftage.sdk.data_source",
    "serve": "graftage.sdk.serving",
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
