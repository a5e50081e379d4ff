"""What a plugin says when it is asked whether it is well: the answer behind *Save & test*."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from graftage.backend.health import HealthStatus


@dataclass(frozen=True, slots=True)
class Health:
    """How well a data source or an app is. `check_health` may also return a text alone, which means OK, or
    raise, which means an error.

    details: shown below the message where it has `message` or `verboseMessage`; anything else is for the
    plugin's own pages.
    """

    status: HealthStatus
    message: str = ""
    details: Mapping[str, Any] | None = None

    @classmethod
    def ok(cls, message: str = "", *, details: Mapping[str, Any] | None = None) -> Self:
        return cls(HealthStatus.OK, message, details)

    @classmethod
    def error(cls, message: str, *, details: Mapping[str, Any] | None = None) -> Self:
        return cls(HealthStatus.ERROR, message, details)

    @classmethod
    def unknown(cls, message: str = "", *, details: Mapping[str, Any] | None = None) -> Self:
        return cls(HealthStatus.UNKNOWN, message, details)
