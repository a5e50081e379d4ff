"""What of a request reaches the server behind a data source, and what of its answer comes back.

Nothing that the caller is known by here leaves: neither `Authorization` nor cookies, unless the data source
names the cookie. Decisions only; `routes/proxy.py` does the calls.

Sources: grafana 7.5, pkg/api/pluginproxy/ds_proxy.go and pkg/models/datasource_cache.go; Go,
net/http/httputil `ReverseProxy`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from graftage.data.canonical_json import Number, read_json
from graftage.server.cookies import cookies_to_keep, kept_cookies
from graftage.server.headers import SECURITY
from graftage.store.data_sources import DataSource

Header = tuple[str, str]

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What the caller said about itself, or what is said anew.
_NOT_FORWARDED: Final = HOP_BY_HOP | {
    "authorization",
    "cookie",
    "host",
    "origin",
    "referer",
    "user-agent",
    "x-ds-authorization",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-grafana-user",
}
_NOT_RETURNED: Final = HOP_BY_HOP | {"set-cookie"} | {name.decode() for name, _ in SECURITY}
# A data source that could set these would decide where the message goes and where it ends.
_NOT_CUSTOM: Final = HOP_BY_HOP | {"host", "content-length"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. path: with its query string, exactly as it is sent."""

    scheme: str
    authority: str
    path: str


def target(source_url: str, rest: str, query_string: str) -> Target | None:
    """The url of a data source with the rest of a path behind it; None when it names no server.

    rest: percent-encoded, as the caller sent it. The url's own query string, user and password are dropped.
    """
    try:
        url = urlsplit(source_url if "://" in source_url else f"http://{source_url}")
        port = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.hostname:
        return None
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    path = url.path.rstrip("/") + "/" + rest.lstrip("/") if rest.strip("/") else url.path.rstrip("/")
    return Target(
        url.scheme,
        host if port is None else f"{host}:{port}",
        (path or "/") + (f"?{query_string}" if query_string else ""),
    )


def request_headers(
    received: Iterable[Header], source: DataSource, destination: Target, *, client: str, version: str
) -> list[Header]:
    """The headers for the other server. received: names in lower case. client: the caller's address."""
    received = list(received)
    json_data = _json_object(source.json_data)
    dropped = _NOT_FORWARDED | _named_by_connection(received)
    headers = [(name, value) for name, value in received if name not in dropped]
    headers.append(("host", destination.authority))
    headers.append(("user-agent", f"Grafana/{version}"))

    before = [value for name, value in received if name == "x-forwarded-for"]
    headers.append(("x-forwarded-for", ", ".join([*before, client] if client else before)))
    if any(name == "te" and "trailers" in value for name, value in received):
        headers.append(("te", "trailers"))
    if cookies := kept_cookies(received, cookies_to_keep(source.json_data)):
        headers.append(("cookie", cookies))
    if authorization := _authorization(received, source):
        headers.append(("authorization", authorization))
    for name, value in _custom(json_data, source):
        headers = [header for header in headers if header[0] != name]
        headers.append((name, value))
    return [(name, value) for name, value in headers if value or name != "x-forwarded-for"]


def response_headers(received: Iterable[Header]) -> list[Header]:
    """The headers for the caller. Cookies of the data source's server are not for the caller's browser."""
    received = [(name.lower(), value) for name, value in received]
    dropped = _NOT_RETURNED | _named_by_connection(received)
    return [(name, value) for name, value in received if name not in dropped]


def _named_by_connection(headers: Iterable[Header]) -> set[str]:
    """The names that `Connection` says are meant for this hop only."""
    return {
        part.strip().lower() for name, value in headers if name == "connection" for part in value.split(",")
    }


def _authorization(received: Iterable[Header], source: DataSource) -> str:
    """What a caller gives for the data source wins over what is stored with it."""
    for name, value in received:
        if name == "x-ds-authorization" and value:
            return value
    if not source.basic_auth:
        return ""
    password = source.secrets.get("basicAuthPassword") or source.basic_auth_password
    return "Basic " + b64encode(f"{source.basic_auth_user}:{password}".encode()).decode()


def _custom(json_data: dict[str, object], source: DataSource) -> Iterator[Header]:
    """Headers stored with the data source, numbered from 1; the first missing name ends them."""
    for number in count(1):
        name = json_data.get(f"httpHeaderName{number}")
        if not isinstance(name, str) or isinstance(name, Number) or not name:
            return
        value = source.secrets.get(f"httpHeaderValue{number}")
        if value is not None and name.lower() not in _NOT_CUSTOM:
            yield name.lower(), value


def _json_object(text: str) -> dict[str, object]:
    value = read_json(text)
    return value if isinstance(value, dict) else {}
