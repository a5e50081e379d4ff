"""An opener of the standard library that is set up as the settings page of an HTTP data source says.

It makes a connection for each request, so that settings of pools say nothing to it, and knows one time-out,
for each step. Redirects to another origin get none of the credentials.
"""

from __future__ import annotations

import io
from http.client import HTTPMessage, HTTPResponse, IncompleteRead
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from graftage.errors import SettingsError
from graftage.sdk.http_layers import Budget, Layers, context_now, is_loopback, response_limit
from graftage.sdk.http_metrics import RequestMetrics
from graftage.sdk.http_settings import HttpSettings
from graftage.sdk.http_tls import FORCE_TLS_1_3, ssl_context

if TYPE_CHECKING:
    from graftage.sdk.settings import Settings

_ORIGIN = "graftage_origin"  # of the first request, on it and on those that redirects made of it


def opener(settings: Settings[Any], *, forward: bool = False) -> OpenerDirector:
    """Raises SettingsError for settings that cannot be used, and for those that need another library."""
    http = settings.http
    refuse_what_needs_httpx(http, "settings.opener()")
    tls = ssl_context(http.tls, force_1_3=context_now().config.feature(FORCE_TLS_1_3))
    layered = _Layered(http, RequestMetrics(settings.type), forward=forward or http.forwards)
    made = build_opener(layered, _Redirects(), _Proxies(), HTTPSHandler(context=tls))
    made.addheaders = []  # which would be a User-Agent
    return made


def refuse_what_needs_httpx(http: HttpSettings, what: str) -> None:
    """Raises SettingsError when the operator wants what only `settings.http_client()` can do."""
    wanted = {
        "sigV4Auth": http.sigv4 is not None,
        "enableSecureSocksProxy": http.socks is not None,
        "serverName": bool(http.tls.server_name),
    }
    for key in [key for key, is_wanted in wanted.items() if is_wanted]:
        raise SettingsError(
            f"{what} cannot do what {key} asks for; the plugin has to use settings.http_client()"
        )


def origin_of(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class _Layered(BaseHandler):
    def __init__(self, http: HttpSettings, metrics: RequestMetrics, *, forward: bool) -> None:
        self._metrics = metrics
        self._seconds = http.time_outs.total or None
        self._layers = Layers(http, forward=forward)

    def http_request(self, request: Request) -> Request:
        origin = origin_of(request.full_url)
        is_foreign = vars(request).setdefault(_ORIGIN, origin) != origin
        layers = Layers(HttpSettings()) if is_foreign else self._layers
        present = [name for name, _ in request.header_items()]
        for name, value in layers.headers(present, context_now()).items():
            request.remove_header(name.capitalize())
            request.add_unredirected_header(name, value)
        timeout: object = request.timeout
        if not isinstance(timeout, int | float | None):  # nobody gave one
            request.timeout = self._seconds
        return request

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse | _LimitedResponse:
        self._metrics.answered(request.get_method(), response.status)
        limit = response_limit(context_now())
        return _LimitedResponse(response, Budget(limit)) if limit else response

    https_request = http_request
    https_response = http_response


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            setattr(following, _ORIGIN, getattr(req, _ORIGIN))
        return following


class _Proxies(ProxyHandler):
    """Those of the environment."""

    def proxy_open(self, req: Request, proxy: str, type: str) -> Any:  # noqa: A002 - as it is called there
        if is_loopback(urlsplit(req.full_url).hostname or ""):
            return None
        return super().proxy_open(req, proxy, type)


class _LimitedResponse(io.BufferedReader):
    """Reads no more than its budget; in all else it is the response."""

    def __init__(self, response: HTTPResponse, budget: Budget) -> None:
        super().__init__(_Body(response, budget))
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


class _Body(io.RawIOBase):
    def __init__(self, response: HTTPResponse, budget: Budget) -> None:
        self._response = response
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._response.read(self._budget.allowed(len(buffer)))
        if not data and self._response.length:
            raise IncompleteRead(b"", self._response.length)
        buffer[: len(data)] = self._budget.spent(data)
        return len(data)

    def close(self) -> None:
        self._response.close()
        super().close()
