"""A client of httpx that is set up as the settings page of an HTTP data source says.

A request passes these, from the author to the network: OAuth 2 token, basic authentication, the operator's
headers, User-Agent, forwarded headers, SigV4; the answer: limits of time and size. What is added is added to
a copy, so that neither `response.request` nor a redirect to another origin carries it.

Source: grafana/grafana-plugin-sdk-go, backend/httpclient (order of the middlewares, `GetTransport`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies_environment, proxy_bypass

from graftage.errors import PluginFault
from graftage.sdk.http_layers import Budget, Layers, context_now, is_loopback, no_cookies, response_limit
from graftage.sdk.http_metrics import RequestMetrics
from graftage.sdk.http_settings import HttpSettings, TimeOuts
from graftage.sdk.http_tls import FORCE_TLS_1_3, ssl_context
from graftage.sdk.oauth2 import Grant, Tokens
from graftage.sdk.sigv4 import sign, signing_key_of
from graftage.sdk.socks5 import SocksProxy, socks_proxy

try:
    import httpcore
    import httpx
except ModuleNotFoundError as error:
    raise PluginFault(
        "settings.http_client() needs httpx; install it with: pip install 'graftage[http]'"
    ) from error

from graftage.sdk.http_dialer import Dialer

if TYPE_CHECKING:
    from graftage.sdk.settings import Settings

_ORIGIN = "graftage.origin"  # among a request's extensions, which redirects inherit


def client(
    settings: Settings[Any], *, forward: bool = False, oauth2: Grant | None = None, aws_service: str = ""
) -> httpx.AsyncClient:
    """A client whose relative URLs start at the data source's. It follows redirects, as Go does.

    forward: send headers of the user's request on, even where the settings do not say so. oauth2: what to get
    tokens for. aws_service: the name that requests to AWS are signed for, such as `aps`; needed where the
    operator asks for SigV4. Raises SettingsError for settings that cannot be used.
    """
    http = settings.http
    if http.sigv4 is not None:
        signing_key_of(http.sigv4, aws_service)  # that it cannot sign is better told now
    return httpx.AsyncClient(
        transport=_Layered(
            Layers(http, forward=forward or http.forwards),
            _routes(http),
            RequestMetrics(settings.type, through_socks=http.socks is not None),
            Tokens(oauth2) if oauth2 else None,
            aws_service,
        ),
        base_url=http.url,
        timeout=_time_outs(http.time_outs),
        follow_redirects=True,
        headers={"User-Agent": ""},  # which would be that of httpx
        cookies=no_cookies(),
    )


@dataclass(frozen=True, slots=True)
class _Routes:
    """direct: to servers themselves. proxies: by scheme, those of the environment."""

    direct: httpx.AsyncBaseTransport
    proxies: Mapping[str, httpx.AsyncBaseTransport]

    def to(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        proxy = self.proxies.get(url.scheme)
        if proxy is None or is_loopback(url.host) or proxy_bypass(url.host):
            return self.direct
        return proxy

    async def aclose(self) -> None:
        for transport in (self.direct, *self.proxies.values()):
            await transport.aclose()


class _Layered(httpx.AsyncBaseTransport):
    def __init__(
        self,
        layers: Layers,
        routes: _Routes,
        metrics: RequestMetrics,
        tokens: Tokens | None = None,
        aws_service: str = "",
    ) -> None:
        self._layers = layers
        self._routes = routes
        self._metrics = metrics
        self._tokens = tokens
        self._aws_service = aws_service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        origin = (request.url.scheme, request.url.host, request.url.port)
        is_foreign = request.extensions.setdefault(_ORIGIN, origin) != origin
        limit = request.extensions.get("timeout", {}).get("read")
        deadline = None if limit is None else asyncio.get_running_loop().time() + limit
        try:
            async with asyncio.timeout_at(deadline):
                sent = await self._dressed(request, is_foreign=is_foreign)
                with self._metrics.sending():
                    response = await self._routes.to(sent.url).handle_async_request(sent)
        except TimeoutError as error:
            raise _too_late(request, limit) from error
        self._metrics.answered(request.method, response.status_code)
        budget = Budget(response_limit(context_now()))
        response.stream = _Limited(response.stream, budget, request, deadline, limit)
        return response

    async def aclose(self) -> None:
        await self._routes.aclose()

    async def _dressed(self, request: httpx.Request, *, is_foreign: bool) -> httpx.Request:
        """A copy of the request with all that is added. is_foreign: it went to another origin at first, which
        is all that our credentials are for."""
        headers = request.headers.copy()
        if not headers.get("User-Agent"):
            headers.pop("User-Agent", None)
        if self._tokens is not None and not is_foreign and "Authorization" not in headers:
            headers["Authorization"] = await self._tokens.authorization(self._ask_for_token, now=_now())
        layers = Layers(HttpSettings()) if is_foreign else self._layers
        headers.update(layers.headers(headers.keys(), context_now()))
        wanted = self._layers.settings
        if wanted.sigv4 is not None and not is_foreign:
            key = signing_key_of(wanted.sigv4, self._aws_service)
            body = await request.aread()
            headers.update(sign(key, request.method, str(request.url), headers, body, now=_now()))
        extensions = dict(request.extensions)
        if wanted.tls.server_name and not is_foreign:
            extensions["sni_hostname"] = wanted.tls.server_name
        return httpx.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=extensions
        )

    async def _ask_for_token(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        request = httpx.Request("POST", url, headers=headers, content=body)
        plain = _Layered(
            Layers(HttpSettings(headers=self._layers.settings.headers)), self._routes, self._metrics
        )
        time_outs = _time_outs(self._layers.settings.time_outs)
        request.extensions["timeout"] = time_outs.as_dict()
        response = await plain.handle_async_request(request)
        return response.status_code, await response.aread()


class _Limited(httpx.AsyncByteStream):
    """An answer's bytes, as they come over the network, within limits of time and size."""

    def __init__(
        self, stream: Any, budget: Budget, request: httpx.Request, deadline: float | None, limit: float | None
    ) -> None:
        self._stream = stream
        self._budget = budget
        self._request = request
        self._deadline = deadline
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(self._stream.__aiter__()) as pieces:
            while True:
                try:
                    async with asyncio.timeout_at(self._deadline):
                        piece = await anext(pieces, None)
                except TimeoutError as error:
                    raise _too_late(self._request, self._limit) from error
                if piece is None:
                    return
                yield self._budget.spent(piece)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Transport(httpx.AsyncHTTPTransport):
    """httpx lets nobody choose how connections are made; its pool does."""

    def __init__(self, tls: ssl.SSLContext, limits: httpx.Limits, dialer: Dialer, options: Any) -> None:
        super().__init__(verify=tls, limits=limits, socket_options=options)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            socket_options=options,
            network_backend=dialer,
        )


def _routes(http: HttpSettings) -> _Routes:
    context = context_now()
    tls = ssl_context(http.tls, force_1_3=context.config.feature(FORCE_TLS_1_3))
    limits = httpx.Limits(
        max_connections=http.pool.per_host or None,
        max_keepalive_connections=http.pool.kept,
        keepalive_expiry=http.time_outs.idle or None,
    )
    options = _keep_alive(http.time_outs.keep_alive)
    socks: SocksProxy | None = socks_proxy(http.socks, context.config) if http.socks else None
    direct = _Transport(tls, limits, Dialer(http.time_outs.tls_handshake or None, socks), options)
    if socks is not None:
        return _Routes(direct, {})
    told = getproxies_environment()
    proxies: dict[str, httpx.AsyncBaseTransport] = {
        scheme: httpx.AsyncHTTPTransport(
            verify=tls, limits=limits, proxy=_with_scheme(told[scheme]), socket_options=options
        )
        for scheme in ("http", "https")
        if told.get(scheme)
    }
    return _Routes(direct, proxies)


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _keep_alive(seconds: float) -> list[tuple[int, int, int]] | None:
    if not seconds:
        return None
    every = max(1, round(seconds))
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL")
    probes = [(socket.IPPROTO_TCP, getattr(socket, name), every) for name in names if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *probes]


def _time_outs(time_outs: TimeOuts) -> httpx.Timeout:
    """httpx limits each step; the whole is limited by that of reading."""
    total = time_outs.total or None
    return httpx.Timeout(connect=time_outs.dial or None, read=total, write=total, pool=total)


def _too_late(request: httpx.Request, limit: float | None) -> httpx.ReadTimeout:
    return httpx.ReadTimeout(
        f"{request.url.host} did not answer in full within {limit:g} s (the data source's setting `timeout`)",
        request=request,
    )


def _now() -> datetime:
    return datetime.now(UTC)
