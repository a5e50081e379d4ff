"""Which server a command asks."""

from __future__ import annotations

from graftage.config import Settings

DEFAULT_URL = f"http://{Settings().address}"


def server_url(given: str) -> str:
    """The server's URL, as a person names it: `host:port` alone means HTTP."""
    return given if "://" in given else f"http://{given}"
