"""A plugin's own HTTP routes, called through the host.

Source: grafana/grafana-plugin-sdk-go, backend/resource.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graftage.backend.context import PluginContext

Headers = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A call of one route.

    path: decoded, without slashes at its ends. url: the path encoded, and the query string as sent. headers:
    all values by canonical name. They may hold credentials and do not show.
    """

    context: PluginContext
    path: str
    method: str = "GET"
    url: str = ""
    headers: Headers = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ResourcePart:
    """A piece of an answer. Only the first has a status code (0 elsewhere) and headers."""

    code: int = 0
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
