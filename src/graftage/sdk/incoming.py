"""A request for one of a plugin's own routes as HTTP has it.

Source: grafana/grafana-plugin-sdk-go, backend/resource/httpadapter/handler.go: the path is the call's own,
with a slash in front; of its address only the query string counts.
"""

from __future__ import annotations

from typing import NamedTuple

from graftage.backend.resource import Headers, ResourceRequest


class Incoming(NamedTuple):
    """path: decoded. query: what stands behind the `?`, as it was sent."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes


def incoming(asked: ResourceRequest) -> Incoming:
    path = asked.path if asked.path.startswith("/") else f"/{asked.path}"
    query = asked.url.partition("#")[0].partition("?")[2]
    return Incoming(asked.method, path, query, asked.headers, asked.body)


def joined(headers: Headers) -> dict[str, str]:
    """The values of each name as one text, as HTTP allows it."""
    return {
        name: ("; " if name.lower() == "cookie" else ", ").join(values) for name, values in headers.items()
    }
