"""To which trace a call belongs, as the host says in the metadata of the call.

Source: W3C, "Trace Context" (`traceparent`); Jaeger's documentation, "Propagation format" (`uber-trace-id`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Metadata = Iterable[tuple[str, str | bytes]]

_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_JAEGER = re.compile(r"([0-9a-fA-F]{1,32}):[0-9a-fA-F]{1,16}:[0-9a-fA-F]{1,16}:[0-9a-fA-F]{1,2}")
_NONE = "0" * 32


def trace_id_of(metadata: Metadata) -> str:
    """The id of the trace, 32 hexadecimal digits; empty when the call belongs to none."""
    said = {name: value for name, value in metadata if isinstance(value, str)}
    if match := _W3C.fullmatch(said.get("traceparent", "").strip().lower()):
        found = match[1]
    elif match := _JAEGER.fullmatch(said.get("uber-trace-id", "").strip().replace("%3A", ":")):
        found = match[1].lower().zfill(32)
    else:
        return ""
    return "" if found == _NONE else found
