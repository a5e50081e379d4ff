"""Calls to the server behind a data source: ``/api/datasources/proxy/:id/*``, any method, streamed both ways.

Routes that a plugin declares in its plugin.json (with urls, headers and tokens of their own), a list of
allowed hosts, and the extra rules for the types prometheus, elasticsearch and influxdb are not part of this.

Source: grafana 7.5, pkg/api/dataproxy.go and pkg/api/pluginproxy/ds_proxy.go.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from graftage.server.answers import BEFORE_HANDLER, message_answer
from graftage.server.content_type import content_type
from graftage.server.departure import WhileConnected
from graftage.server.forwarding import Header, Target, request_headers, response_headers, target
from graftage.server.metrics import Metrics, ProxiedCall
from graftage.server.routing import Route
from graftage.store.data_sources import DataSource

CONNECT_SECONDS: Final = (
    30.0  # Grafana's [dataproxy] timeout; there is none for the answer, which may be a stream
)

# Where clouds hand out the credentials of the machine, beside the link-local addresses: AWS over IPv6,
# Alibaba, Azure, Oracle. A data source is never there, and whoever may add one should not get at them.
_METADATA: Final = frozenset(
    map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)

_log = logging.getLogger(__name__)


class _AddressRefused(Exception):
    """A data source's host is an address that nothing is forwarded to."""


@asynccontextmanager
async def connections(trust: ssl.SSLContext | None = None) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The connections to data sources' servers, kept open between calls; closed when the block ends.

    trust: whose certificates are believed; by default those that the system trusts.
    """
    trust = trust or ssl.create_default_context()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncHTTPTransport(verify=trust, limits=limits) as transport:
        yield transport


def routes(
    *,
    data_source: Callable[[int], DataSource | None],
    has_plugin: Callable[[str], bool],
    transport: httpx.AsyncBaseTransport,
    metrics: Metrics,
    reported_version: str,
) -> list[Route]:
    """has_plugin: whether a plugin of this type is installed, with a backend or
    not.

    transport: see `connections`.
    """

    async def forward(request: Request) -> Response:
        """Any method of /api/datasources/proxy/:id/*"""
        data_source_id = _id(request.path_params["id"])
        source = None if data_source_id is None else data_source(data_source_id)
        if source is None:
            return _refusal(500, "Unable to load datasource meta data")
        if not has_plugin(source.type):
            return _refusal(500, "Unable to find datasource plugin")
        query_string = request.scope["query_string"].decode("latin-1")
        destination = target(source.url, request.path_params.get("*", ""), query_string)
        if destination is None:
            _log.error("data source %d cannot be proxied: its url names no server", source.id)
            return Response(status_code=502)
        headers = request_headers(
            request.headers.items(),
            source,
            destination,
            client=request.client.host if request.client else "",
            version=reported_version,
        )
        return _Forwarded(request, headers, source, destination, transport, metrics)

    return [
        Route("/api/datasources/proxy/:id", {"*": forward}, bare=True),
        Route("/api/datasources/proxy/:id/*", {"*": forward}, bare=True),
    ]


class _Forwarded(Response):
    """An answer that is fetched while it is sent."""

    def __init__(
        self,
        request: Request,
        headers: list[Header],
        source: DataSource,
        destination: Target,
        transport: httpx.AsyncBaseTransport,
        metrics: Metrics,
    ) -> None:
        super().__init__()
        self._source = source
        self._transport = transport
        self._metrics = metrics
        self._body = _RequestBody(request)
        # A caller that takes any encoding gets the plain bytes, and the way here is short in spite of that.
        self._unpacks = request.method != "HEAD" and not {"accept-encoding", "range"} & set(request.headers)
        if self._unpacks:
            headers = [*headers, ("accept-encoding", "gzip")]
        if "transfer-encoding" in request.headers:
            headers = [*headers, ("transfer-encoding", "chunked")]
        self._request = httpx.Request(
            request.method,
            f"{destination.scheme}://{destination.authority}/",
            headers=headers,
            stream=self._body,
            extensions={
                # The path as it is: httpx would resolve `..` and encode it anew.
                "target": destination.path.encode("latin-1"),
                "timeout": {"connect": CONNECT_SECONDS},
                "trace": _refuse_metadata,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._metrics.proxied(self._source.name, self._request.method) as call:
            try:
                with WhileConnected(self._body.receive_after):
                    upstream = await self._transport.handle_async_request(self._request)
            except _AddressRefused as refused:
                await _refusal(403, str(refused))(scope, receive, send)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                _log.error("data source %d: %s: %r", self._source.id, self._request.url, error)
                await Response(status_code=502)(scope, receive, send)
            except ClientDisconnect:
                return
            else:
                call.code = str(upstream.status_code)
                try:
                    await self._answer(upstream, call, scope, receive, send)
                finally:
                    await upstream.aclose()

    async def _answer(
        self, upstream: httpx.Response, call: ProxiedCall, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if upstream.status_code == 401:
            # As it is, a browser would ask its user for a password to this server.
            await PlainTextResponse("Authentication to data source failed", 400)(scope, receive, send)
            return
        headers = response_headers(upstream.headers.multi_items())
        unpacked = self._unpacks and upstream.headers.get("content-encoding") == "gzip"
        if unpacked:
            headers = [
                header for header in headers if header[0] not in ("content-encoding", "content-length")
            ]
        chunks = upstream.aiter_bytes() if unpacked else upstream.aiter_raw()
        started = False
        try:
            with WhileConnected(self._body.receive_after):
                async for chunk in chunks:
                    if not started:
                        await send(_start(upstream, headers, chunk))
                        started = True
                    call.size += len(chunk)
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if not started:
                    await send(_start(upstream, headers, b""))
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except httpx.HTTPError as error:
            # Too late for another status. The connection is closed on an answer that is not whole, which
            # tells.
            _log.error("data source %d broke off its answer: %r", self._source.id, error)
        except ClientDisconnect:
            return


class _RequestBody(httpx.AsyncByteStream):
    """What the caller sends, passed on as it arrives."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._read = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._request.stream():
            if chunk:
                yield chunk
        self._read.set()

    async def receive_after(self) -> Message:
        """What comes after the body: the end of the connection."""
        await self._read.wait()
        return await self._request.receive()


def _id(text: str) -> int | None:
    """The number in a path. What is none is answered as an unknown one; it never means another source."""
    digits = text[1:] if text.startswith(("+", "-")) else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    return int(text)


def _refusal(status: int, message: str) -> Response:
    return message_answer(message, status, media_type=BEFORE_HANDLER)


def _start(upstream: httpx.Response, headers: list[Header], first: bytes) -> Message:
    if first and "content-type" not in upstream.headers:
        headers = [*headers, ("content-type", content_type(first))]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return {"type": "http.response.start", "status": upstream.status_code, "headers": encoded}


async def _refuse_metadata(event: str, details: Mapping[str, Any]) -> None:
    """Called by the transport while it works: a new connection is judged before anything is sent on it.

    Judging the address that was really reached leaves no way around by names that resolve to it.
    """
    if event != "connection.connect_tcp.complete":
        return
    stream = details["return_value"]
    host = stream.get_extra_info("server_addr")[0]
    if is_refused(host):
        await stream.aclose()
        raise _AddressRefused(f"{host} belongs to the machine itself; nothing is forwarded there")


def is_refused(host: str) -> bool:
    """Whether nothing is forwarded to this address. Private networks are fine: data sources live there."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local or address in _METADATA
