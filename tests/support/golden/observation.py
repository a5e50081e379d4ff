"""What a replayed case led to on our side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came over the wire. status 0: the connection was closed without one."""

    status: int
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body; bytes that are no UTF-8 stay recognisable."""
        return self.body.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Observation:
    """What the client, the plugin, the upstream server and the operator saw of one case.

    sent_at: our clock before and after, in milliseconds since 1970. started_at: when the server was started.
    exit_code: of the server; None while it runs. plugins: ids that `/api/plugins` lists, for a case that
    is about the server itself and not about a request.
    """

    answer: Answer | None = None
    plugin_requests: tuple[Any, ...] = ()
    upstream_requests: tuple[Mapping[str, Any], ...] = ()
    sent_at: tuple[int, int] = (0, 0)
    started_at: int = 0
    log: str = ""
    exit_code: int | None = None
    plugins: frozenset[str] = field(default_factory=frozenset)
