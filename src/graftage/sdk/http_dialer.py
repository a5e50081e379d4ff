"""How httpx's connections are made: with a time limit for TLS, and through the secure SOCKS proxy."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from graftage.sdk.socks5 import SocksError, SocksProxy, handshake


class Dialer(httpcore.AsyncNetworkBackend):
    """tls_seconds: for each TLS handshake; None for no limit."""

    def __init__(self, tls_seconds: float | None, socks: SocksProxy | None = None) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._tls_seconds = tls_seconds
        self._socks = socks

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        proxy = self._socks
        where = (host, port) if proxy is None else (proxy.host, proxy.port)
        raw = await self._inner.connect_tcp(*where, timeout, local_address, socket_options)
        stream: httpcore.AsyncNetworkStream = _Stream(raw, self._tls_seconds)
        if proxy is None:
            return stream
        try:
            if proxy.tls is not None:
                stream = await stream.start_tls(proxy.tls, proxy.server_name, timeout)
            await _converse(stream, proxy, host, port, timeout)
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, tls_seconds: float | None) -> None:
        self._inner = inner
        self._tls_seconds = tls_seconds

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """timeout: that of connecting, which is not meant for this."""
        return _Stream(
            await self._inner.start_tls(ssl_context, server_hostname, self._tls_seconds), self._tls_seconds
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


async def _converse(
    stream: httpcore.AsyncNetworkStream, proxy: SocksProxy, host: str, port: int, timeout: float | None
) -> None:
    conversation = handshake(host, port, proxy.login)
    to_send, size = next(conversation)
    while True:
        if to_send:
            await stream.write(to_send, timeout)
        try:
            to_send, size = conversation.send(await _exactly(stream, size, timeout))
        except StopIteration:
            return


async def _exactly(stream: httpcore.AsyncNetworkStream, size: int, timeout: float | None) -> bytes:
    received = b""
    while len(received) < size:
        piece = await stream.read(size - len(received), timeout)
        if not piece:
            raise SocksError("the secure SOCKS proxy closed the connection before it had connected")
        received += piece
    return received
