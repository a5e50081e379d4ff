"""The process that launched this one. Loaded early, so that its death during our imports is noticed too."""

from __future__ import annotations

import os

_PID = os.getppid()


def is_gone() -> bool:
    """Has this process got another parent? It does as soon as its launcher has ended, however it ended."""
    return os.getppid() != _PID
