"""An HTTP server behind the data sources: answers what a scenario tells it, and remembers who asked what."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_DEFAULT: Mapping[str, Any] = {"body": {"upstream": "ok"}}


class Upstream(ThreadingHTTPServer):
    """Listens on a free port of this machine; `script` is what it answers by path, `*` for any."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._seen: list[Mapping[str, Any]] = []
        self.script: Mapping[str, Any] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def remember(self, request: Mapping[str, Any]) -> None:
        with self._lock:
            self._seen.append(request)

    def take(self) -> tuple[Mapping[str, Any], ...]:
        """The requests since the last call."""
        with self._lock:
            seen, self._seen = self._seen, []
        return tuple(seen)

    def reply(self, path: str) -> Mapping[str, Any]:
        script = self.script or {}
        found = script.get(path.partition("?")[0], script.get("*", _DEFAULT))
        return found if isinstance(found, Mapping) else _DEFAULT


@contextmanager
def upstream() -> Iterator[Upstream]:
    """A running upstream server."""
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.server.remember(
            {
                "method": self.command,
                "path": self.path,
                "headers": [[name, value] for name, value in self.headers.items()],
                "body": self._body().decode("utf-8", "replace"),
            }
        )
        self._answer(self.server.reply(self.path))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, reply: Mapping[str, Any]) -> None:
        body = reply.get("body", _DEFAULT["body"])
        content = body.encode() if isinstance(body, str) else json.dumps(body, separators=(",", ":")).encode()
        headers = [(str(name), str(value)) for name, value in _pairs(reply.get("headers"))]
        self.send_response_only(reply.get("status", 200))
        if "headers" not in reply:
            headers.append(("Content-Type", "application/json"))
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """The scenario's report says what was asked; nothing goes to the terminal."""


def _pairs(headers: Any) -> Iterator[tuple[str, str]]:
    yield from headers.items() if isinstance(headers, Mapping) else headers or ()
