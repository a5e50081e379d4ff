"""An answer with more to it than its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graftage.sdk.errors import check_status


@dataclass(frozen=True, slots=True)
class Notice:
    """A remark above a panel. severity: `info`, `warning` or `error`. link: where to read more."""

    text: str
    severity: str = "info"
    link: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """Frames with what is to be said about them.

    frames: whatever a handler may return. status: by the codes of HTTP; 0 for 200, or 500 with an error.
    notices: remarks, as text or as Notice; version 1 has no place for them. meta: anything that JSON can
    express. What it says by Grafana's names for the metadata of frames (`executedQueryString`,
    `preferredVisualisationType`, ...) counts for each frame that does not say it itself. error: a text to
    show beside the frames, such as why they are incomplete.
    """

    frames: Any = None
    meta: Any = None
    error: str = ""
    status: int = 0
    notices: Sequence[str | Notice] = ()

    def __post_init__(self) -> None:
        if self.status:
            check_status(self.status)
