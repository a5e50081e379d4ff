"""What reaches the server behind a data source through our proxy, where that is not what was recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from support.golden.situation import Situation


def forwarded(situation: Situation) -> Sequence[Mapping[str, Any]]:
    """The recorded upstream requests as ours sends them."""
    own = {value for name, value in _request_headers(situation) if name.lower() == "authorization"}
    return [
        {
            **request,
            "headers": [header for header in map(_once, request["headers"]) if not _is_own(header, own)],
        }
        for request in situation.case.upstream_requests or ()
    ]


def _request_headers(situation: Situation) -> Sequence[tuple[str, str]]:
    return situation.case.request.headers if situation.case.request else ()


def _once(header: Sequence[str]) -> Sequence[str]:
    """The caller's address, which the recorded proxy adds twice, once."""
    name, value = header
    addresses = value.split(", ")
    if name.lower() == "x-forwarded-for" and addresses[-2:-1] == addresses[-1:]:
        return [name, ", ".join(addresses[:-1])]
    return header


def _is_own(header: Sequence[str], own: Collection[str]) -> bool:
    return header[0].lower() == "authorization" and header[1] in own
