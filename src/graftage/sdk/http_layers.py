"""What is added to a request before it leaves, whichever library sends it, and how much of an answer is read.

In this order: basic authentication, the operator's headers, User-Agent, forwarded headers. Only the
operator's headers replace what the request has already.

Source: grafana/grafana-plugin-sdk-go, backend/httpclient (`basic_auth_middleware.go`,
`custom_headers_middleware.go`, `user_agent_middleware.go`, `response_limit_middleware.go`) and
backend/http_headers.go.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address

from graftage.sdk.context import RequestContext, current
from graftage.sdk.errors import DownstreamError
from graftage.sdk.http_settings import HttpSettings, Login

RESPONSE_LIMIT = "GF_DATAPROXY_RESPONSE_LIMIT"  # for hosts that do not tell one with each call
UNKNOWN_HOST = "Grafana"
# Of a request that came to Grafana, and of no other; the encodings are those that the library can undo.
_NEVER_FORWARDED = frozenset(
    {"host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding"}
)


class ResponseTooLarge(DownstreamError):
    """The remote system answered more bytes than Grafana's operator allows."""


@dataclass(frozen=True, slots=True)
class Layers:
    """forward: are headers of the call that is being answered sent on?"""

    settings: HttpSettings
    forward: bool = False

    def headers(self, present: Collection[str], context: RequestContext) -> dict[str, str]:
        """The headers to set. present: the names that the request has, in any case."""
        names = {name.lower() for name in present}
        added: dict[str, str] = {}

        def add(name: str, value: str, *, replace: bool = False) -> None:
            if replace or name.lower() not in names:
                for taken in [other for other in added if other.lower() == name.lower()]:
                    del added[taken]
                added[name] = value
                names.add(name.lower())

        if self.settings.login is not None:
            add("Authorization", basic(self.settings.login))
        for name, value in self.settings.headers.items():
            add(name, value, replace=True)
        add("User-Agent", user_agent(context))
        for name, value in context.headers.http.items() if self.forward else ():
            if name.lower() not in _NEVER_FORWARDED:
                add(name, value)
        return added


def no_cookies() -> CookieJar:
    """A jar that keeps nothing: one client serves all users, and a cookie is one user's."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def basic(login: Login) -> str:
    """The value of `Authorization`."""
    return f"Basic {b64encode(f'{login.user}:{login.password}'.encode()).decode('ascii')}"


def user_agent(context: RequestContext) -> str:
    """`Grafana/<version> (<os>; <arch>) <plugin id>/<plugin version>`, as far as it is known."""
    plugin = f"{context.plugin_id}/{context.plugin_version}".rstrip("/")
    return f"{context.user_agent or UNKNOWN_HOST} {plugin}".strip()


def context_now() -> RequestContext:
    """The context of the call that is being answered; an empty one outside of calls."""
    try:
        return current()
    except LookupError:
        return RequestContext()


def response_limit(context: RequestContext, environment: Mapping[str, str] = os.environ) -> int:
    """The most bytes that an answer may have; 0 for no limit."""
    told = environment.get(RESPONSE_LIMIT, "")
    limit = context.config.response_limit or (int(told) if told.isdecimal() else 0)
    return max(limit, 0)


class Budget:
    """Counts the bytes of one answer. limit: 0 for no limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._read = 0

    def allowed(self, size: int) -> int:
        """How much to read when so much is wanted: enough to see an excess."""
        return min(size, self._limit - self._read + 1) if self._limit else size

    def spent(self, piece: bytes) -> bytes:
        """The piece itself. Raises ResponseTooLarge once more than the limit was read."""
        self._read += len(piece)
        if self._limit and self._read > self._limit:
            raise ResponseTooLarge(
                f"the response is too large: Grafana's limit is {self._limit} bytes (response_limit in the "
                "section [dataproxy]); ask for less, or raise it"
            )
        return piece


def is_loopback(host: str) -> bool:
    """Is this host this machine? Requests to it use no proxy. Source: golang.org/x/net/http/httpproxy."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
