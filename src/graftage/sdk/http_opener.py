"""An opener of the standard library that is set up as the settings page of an HTTP data source says.

It makes a connection for each request: its pool is none, and of the time-outs it knows one, for each step.
"""

from __future__ import annotations

import ssl
from http.client import HTTPMessage, HTTPResponse
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
from graftage.sdk.http_settings import HttpSettings
from graftage.sdk.http_tls import FORCE_TLS_1_3, ssl_context

if TYPE_CHECKING:
    from graftage.sdk.settings import Settings

_DEFAULT_AGENT = "python-urllib/"


def opener(settings: Settings[Any], *, forward: bool = False) -> OpenerDirector:
    """Raises SettingsError for settings that cannot be used, and for those that need another library."""
    http = settings.http
    refuse_what_needs_httpx(http, "settings.opener()")
    if http.tls.server_name:
        raise SettingsError("settings.opener() checks no other name than the URL's; unset serverName")
    tls = ssl_context(http.tls, force_1_3=context_now().config.feature(FORCE_TLS_1_3))
    made = build_opener(
        _Layered(http, forward=forward or http.forwards),
        _Redirects(),
        _Proxies(),
        HTTPSHandler(context=tls),
    )
    made.addheaders = []  # which would be a User-Agent
    return made


def refuse_what_needs_httpx(http: HttpSettings, what: str) -> None:
    """Raises SettingsError when the operator wants what only `settings.http_client()` can do."""
    if http.sigv4 is not None or http.socks is not None:
        key = "sigV4Auth" if http.sigv4 is not None else "enableSecureSocksProxy"
        raise SettingsError(f"{what} cannot do what {key} asks for; the plugin has to use settings.http_client()")


def origin_of(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class _Layered(BaseHandler):
    handler_order = 400  # before the handlers that send

    def __init__(self, http: HttpSettings, *, forward: bool) -> None:
        self._http = http
        self._layers = Layers(http, forward=forward)

    def http_request(self, request: Request) -> Request:
        first = vars(request).setdefault("graftage_origin", origin_of(request.full_url))
        layers = self._layers if first == origin_of(request.full_url) else Layers(HttpSettings())
        present = [name for name, _ in request.header_items()]
        for name, value in layers.headers(present, context_now()).items():
            request.remove_header(name.capitalize())
            request.add_unredirected_header(name, value)
        if getattr(request, "timeout", None) in (None, _no_timeout()):
            request.timeout = self._http.time_outs.total or None
        return request

    https_request = http_request

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        limit = response_limit(context_now())
        if limit:
            _limit(response, Budget(limit))
        return response

    https_response = http_response
