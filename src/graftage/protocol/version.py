"""Which application protocol version a plugin serves.

Source: hashicorp/go-plugin, server.go, `protocolVersion`.
"""

from __future__ import annotations

from collections.abc import Collection


def read_offer(text: str) -> tuple[frozenset[int], tuple[str, ...]]:
    """The versions in a host's comma-separated offer, and the entries that are no numbers."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    numbers = frozenset(int(entry) for entry in entries if entry.isascii() and entry.isdigit())
    return numbers, tuple(entry for entry in entries if not (entry.isascii() and entry.isdigit()))


def choose_version(own: Collection[int], offered: Collection[int]) -> int:
    """The highest own version that the host offered; else the lowest own one, and the host decides.

    A host from before negotiation offers nothing; it expects the oldest version.
    """
    common = set(own) & set(offered)
    return max(common) if common else min(own)
