"""uvicorn's HTTP, with a limit to the head of a request, which is kept in memory until its end is there.

Source: Go, net/http `DefaultMaxHeaderBytes`, and what its server answers beyond that.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT: Final = 1024 * 1024

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n"
    b"431 Request Header Fields Too Large"
)


class HttpProtocol(HttpToolsProtocol):
    """One connection. A head that ends within the bytes that put it over the limit is let through."""

    _head_bytes = 0
    _in_body = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_body:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._head_bytes = 0
        super().on_message_complete()
