"""An HTTP server that answers with the request it got, over TLS if a test wants that.

/big?bytes=N      so many bytes; `chunked=1` without saying how many
/status?code=N    that status
/redirect?to=URL  a redirect
/cookie           a cookie
/cut              less than it says
/silence          nothing, until the server is closed
/drip             a byte now and then, until the server is closed
/token            whatever `tokens` says, a pair of status and body after the other
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.certificates import Pair


class EchoServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_tls = tls is not None
        self.tokens: list[tuple[int, dict[str, Any]]] = []
        self.requests: list[dict[str, Any]] = []
        self.closing = threading.Event()
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away, and TLS that fails, are what tests are about."""


@contextmanager
def echo_server(tls: ssl.SSLContext | None = None) -> Iterator[EchoServer]:
    server = EchoServer(tls)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def server_tls(folder: Path, pair: Pair, *, clients_of: str = "") -> ssl.SSLContext:
    """clients_of: the authority, in PEM, that must have signed a client's certificate; empty for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "server.pem"
    file.write_text(pair.key + pair.certificate)
    context.load_cert_chain(file)
    if clients_of:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients_of)
    return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EchoServer

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(self._echo(body))
        match parts.path:
            case "/big":
                self._send(200, b"x" * int(asked["bytes"]), chunked="chunked" in asked)
            case "/status":
                self._send(int(asked["code"]), b"as you like it")
            case "/redirect":
                self.send_response(302)
                self.send_header("Location", asked["to"])
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "/cookie":
                self.send_response(200)
                self.send_header("Set-Cookie", "session=1; Path=/")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"half")
                self.close_connection = True
            case "/silence":
                self.server.closing.wait()
                self.close_connection = True
            case "/drip":
                self._drip()
            case "/token":
                status, answer = self.server.tokens.pop(0)
                self._send(status, json.dumps(answer).encode())
            case _:
                self._send(200, json.dumps(self._echo(body)).encode())

    do_POST = do_GET  # noqa: N815 - as the base class calls it

    def _echo(self, body: bytes) -> dict[str, Any]:
        tls = self.connection if isinstance(self.connection, ssl.SSLSocket) else None
        return {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
            "tls": tls.version() if tls else "",
            "client": bool(tls and tls.getpeercert(binary_form=True)),
        }

    def _send(self, status: int, body: bytes, *, chunked: bool = False) -> None:
        self.send_response(status)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.server.closing.wait(0.02):
            self.wfile.write(b".")
        self.close_connection = True
