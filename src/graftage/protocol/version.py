"""Which application protocol version a plugin serves.

Source: hashicorp/go-plugin, server.go, `protocolVersion`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

# As many digits as fit in 64 bits: reading more could fail, as Python limits how long a number's text may be.
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")


def read_offer(text: str) -> tuple[frozenset[int], tuple[str, ...]]:
    """The versions in a host's comma-separated offer, and the entries that are no numbers."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    numbers = frozenset(int(entry) for entry in entries if _NUMBER.fullmatch(entry))
    return numbers, tuple(entry for entry in entries if not _NUMBER.fullmatch(entry))


def choose_version(own: Collection[int], offered: Collection[int]) -> int:
    """The highest own version that the host offered; else the lowest own one, and the host decides.

    A host from before negotiation offers nothing; it expects the oldest version.
    """
    common = set(own) & set(offered)
    return max(common) if common else min(own)
