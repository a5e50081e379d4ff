"""What of an HTTP request a plugin's resource gets to see, and what of its answer the caller does.

Decisions only; `routes/resources.py` does the calls.

Source: grafana 7.5, pkg/plugins/manager.go (`callResourceInternal`, `flushStream`) and pkg/util/proxyutil;
Go, net/textproto `CanonicalMIMEHeaderKey` and net/http, header.go (`writeSubset`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, unquote

from graftage.backend.resource import Headers
from graftage.errors import WireError
from graftage.server.cookies import kept_cookies
from graftage.server.forwarding import HOP_BY_HOP, Header
from graftage.server.headers import NO_CACHE, SECURITY

# What a path may hold unescaped. Source: Go, net/url (`shouldEscape` for paths).
_PATH_SAFE: Final = "/$&+,:;=@!'()*~"
_NOT_FORWARDED: Final = HOP_BY_HOP | {
    "cookie",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
}
# How long an answer is, is known only when it has been sent.
_NOT_RETURNED: Final = HOP_BY_HOP | {"set-cookie", "content-length"} | {name.decode() for name, _ in SECURITY}
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Of an answer of a plugin. The callers' HTTP libraries and proxies refuse what is far below that.
MOST_HEADER_VALUES: Final = 1000
HEADER_CHARACTERS: Final = 64 * 1024
_NO_CACHE: Final = tuple((name.decode(), value.decode()) for name, value in NO_CACHE)


def resource_path(rest: str) -> str:
    """The path that a plugin is asked for. rest: what stands behind `resources/`, as it was sent."""
    return unquote(rest).strip("/")


def resource_url(path: str, query_string: str) -> str:
    """The path encoded anew, with the query string as it was sent."""
    return quote(path, safe=_PATH_SAFE) + (f"?{query_string}" if query_string else "")


def plugin_headers(received: Iterable[Header], *, cookies: frozenset[str], client: str) -> Headers:
    """The headers for the plugin, by canonical name.

    received: names in lower case. cookies: the names of those that go on. client: the caller's address.
    """
    received = list(received)
    left_out = _NOT_FORWARDED | {
        part.strip().lower() for name, value in received if name == "connection" for part in value.split(",")
    }
    values: dict[str, list[str]] = {}
    for name, value in received:
        if name not in left_out:
            values.setdefault(canonical(name), []).append(value)
    headers = {name: tuple(several) for name, several in values.items()}
    if kept := kept_cookies(received, cookies):
        headers["Cookie"] = (kept,)
    before = [value for name, value in received if name == "x-forwarded-for"]
    if chain := ", ".join([*before, client] if client else before):
        headers["X-Forwarded-For"] = (chain,)
    return headers


def check_headers(received: Headers) -> None:
    """Raises WireError for more headers in an answer than anybody takes, whether or not they are sent."""
    values = sum(map(len, received.values()))
    size = sum(len(name) * len(several) + sum(map(len, several)) for name, several in received.items())
    if max(len(received), values) > MOST_HEADER_VALUES or size > HEADER_CHARACTERS:
        raise WireError(
            f"expected at most {MOST_HEADER_VALUES:,} header values of {HEADER_CHARACTERS:,} characters "
            f"together in an answer, got {values:,} of {size:,}"
        )


def caller_headers(received: Mapping[str, Iterable[str]], *, sandboxed: bool, has_body: bool) -> list[Header]:
    """The headers for the caller; those that forbid caching are set unless the plugin speaks of it.

    A name that HTTP does not allow is left out, and a line break in a value becomes a blank, as in Go.
    sandboxed: as since Grafana 9, where a page that a plugin sends cannot act for its viewer, and an answer
    without a body has no type.
    """
    headers = [
        (name.lower(), _CONTROLS.sub(" ", value))
        for name, values in received.items()
        if name.lower() not in _NOT_RETURNED and _NAME.fullmatch(name)
        for value in values
    ]
    names = {name for name, _ in headers}
    if "content-type" not in names and (has_body or not sandboxed):
        headers.append(("content-type", "application/json"))
    if not names & {name for name, _ in _NO_CACHE}:
        headers.extend(_NO_CACHE)
    if sandboxed:
        headers.append(("content-security-policy", "sandbox"))
    return headers


def canonical(name: str) -> str:
    """`x-custom` as `X-Custom`."""
    return "-".join(part.capitalize() for part in name.split("-"))
