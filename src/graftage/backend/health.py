"""Is a data source, or an app, well? The answer behind *Save & test*.

Source: grafana/grafana-plugin-sdk-go, backend/diagnostics.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from graftage.backend.context import PluginContext


class HealthStatus(IntEnum):
    """The numbers are those on the wire; any other one means UNKNOWN."""

    UNKNOWN = 0
    OK = 1
    ERROR = 2

    @classmethod
    def _missing_(cls, value: object) -> HealthStatus:
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class HealthRequest:
    """headers: of the HTTP request behind it. They may hold credentials and do not show."""

    context: PluginContext
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What a plugin says about itself.

    status: a number as `HealthStatus` reads it. details_json: the text of a JSON object; empty when there is
    none.
    """

    status: int
    message: str = ""
    details_json: bytes = b""
