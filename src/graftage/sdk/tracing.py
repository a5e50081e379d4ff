"""To which trace a call belongs, as the host says in the metadata of the call.

Source: W3C, "Trace Context" (`traceparent`); Jaeger's documentation, "Propagation format" (`uber-trace-id`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

Metadata = Iterable[tuple[str, str | bytes]]

W3C, JAEGER = "w3c", "jaeger"
BOTH = frozenset({W3C, JAEGER})

_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_JAEGER = re.compile(r"([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})")
_SAMPLED = 1  # among the flags, in both forms


class Parent(NamedTuple):
    """The host's span: 32 and 16 hexadecimal digits. is_sampled: is the trace recorded?"""

    trace_id: str
    span_id: str
    is_sampled: bool


def parent_of(metadata: Metadata, *, forms: frozenset[str] = BOTH) -> Parent | None:
    """The span that a call belongs to; None when it belongs to none. forms: those that are looked for."""
    said = {name: unquote(value).strip().lower() for name, value in metadata if isinstance(value, str)}
    match = None
    if W3C in forms:
        match = _W3C.fullmatch(said.get("traceparent", ""))
    if match is None and JAEGER in forms:
        match = _JAEGER.fullmatch(said.get("uber-trace-id", ""))
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return None
    return Parent(match[1].zfill(32), match[2].zfill(16), bool(int(match[3], 16) & _SAMPLED))
