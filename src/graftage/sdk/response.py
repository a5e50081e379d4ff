"""An answer with more to it than its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """Frames with what is to be said about them.

    frames: whatever a handler may return. meta: anything that JSON can express. error: a text to show beside
    the frames, such as why they are incomplete.
    """

    frames: Any = None
    meta: Any = None
    error: str = ""
