"""A session of requests that is set up as the settings page of an HTTP data source says.

Its time-out is for each step. Redirects to another origin get none of the credentials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from graftage.errors import PluginFault
from graftage.sdk.http_layers import Budget, Layers, context_now, no_cookies, response_limit
from graftage.sdk.http_metrics import RequestMetrics
from graftage.sdk.http_opener import origin_of, refuse_what_needs_httpx
from graftage.sdk.http_settings import HttpSettings
from graftage.sdk.http_tls import FORCE_TLS_1_3, ssl_context

try:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
except ModuleNotFoundError as error:
    raise PluginFault(
        "settings.requests_client() needs requests; install it with: pip install requests"
    ) from error

if TYPE_CHECKING:
    from graftage.sdk.settings import Settings

_ORIGIN = "graftage_origin"  # of the first request, on it and on those that redirects made of it


def session(settings: Settings[Any], *, forward: bool = False) -> requests.Session:
    """Raises SettingsError for settings that cannot be used, and for those that need another library."""
    http = settings.http
    refuse_what_needs_httpx(http, "settings.requests_client()")
    if http.tls.skip_verify:  # the operator knows
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    made = _Session()
    made.headers.pop("User-Agent", None)
    made.cookies = no_cookies()  # type: ignore[assignment]  # any jar does
    made.auth = _as_it_is  # without any, requests would look for a password in .netrc
    adapter = _Layered(http, RequestMetrics(settings.type), forward=forward or http.forwards)
    for scheme in ("http://", "https://"):
        made.mount(scheme, adapter)
    return made


class _Session(requests.Session):
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called for each redirect, with the request that follows `response`. Unlike requests' own, it looks
        for no password in .netrc."""
        setattr(prepared_request, _ORIGIN, getattr(response.request, _ORIGIN))
        is_elsewhere = self.should_strip_auth(  # type: ignore[no-untyped-call]  # of typeshed
            response.request.url, prepared_request.url
        )
        if is_elsewhere:
            prepared_request.headers.pop("Authorization", None)


class _Layered(HTTPAdapter):
    def __init__(self, http: HttpSettings, metrics: RequestMetrics, *, forward: bool) -> None:
        self._tls = ssl_context(http.tls, force_1_3=context_now().config.feature(FORCE_TLS_1_3))
        self._layers = Layers(http, forward=forward)
        self._time_outs = http.time_outs
        self._metrics = metrics
        per_host = http.pool.per_host
        super().__init__(pool_maxsize=per_host or http.pool.kept, pool_block=bool(per_host))

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._tls, **options)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._tls, **options)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """requests would add its own authorities to those of the settings."""
        host, _ = super().build_connection_pool_key_attributes(request, False, None)
        return host, {"ssl_context": self._tls}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Our TLS context sees to that."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        origin = origin_of(request.url or "")
        is_foreign = vars(request).setdefault(_ORIGIN, origin) != origin
        layers = Layers(HttpSettings()) if is_foreign else self._layers
        sent = request.copy()
        sent.headers.update(layers.headers(sent.headers.keys(), context_now()))
        if timeout is None:
            timeout = (self._time_outs.dial or None, self._time_outs.total or None)
        with self._metrics.sending():
            response = super().send(sent, stream, timeout, verify, cert, proxies)
        self._metrics.answered(request.method or "", response.status_code)
        response.request = request
        if limit := response_limit(context_now()):
            _limit(response, Budget(limit))
        return response


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _limit(response: requests.Response, budget: Budget) -> None:
    """Let reading the answer fail beyond the budget."""
    pieces = response.iter_content

    def iter_content(*arguments: Any, **options: Any) -> Iterator[Any]:
        for piece in pieces(*arguments, **options):
            budget.spent(piece if isinstance(piece, bytes) else piece.encode())
            yield piece

    response.iter_content = iter_content  # type: ignore[method-assign]  # what all ways of reading come through
