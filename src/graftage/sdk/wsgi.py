"""A plugin's own HTTP routes answered by a WSGI application: Flask, Django, Bottle and others.

Source: PEP 3333.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from graftage.backend.resource import ResourceRequest
from graftage.errors import PluginFault

Application: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Failure: TypeAlias = tuple[type[BaseException], BaseException, TracebackType]


class Outlet(Protocol):
    """Where the answer goes, from a worker thread."""

    @property
    def started(self) -> bool: ...
    @property
    def cancelled(self) -> bool: ...
    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> None: ...
    def write(self, body: bytes) -> None: ...


def answer_by_wsgi(
    application: Application, asked: ResourceRequest, path: str, query: str, outlet: Outlet
) -> None:
    """To be called in a worker thread. Raises what the application raises, and PluginFault when it breaks the
    rules. path, query: as of `answer_by_asgi`."""
    call = _WsgiCall(outlet)
    pieces = application(_environ(asked, path, query), call.start_response)
    try:
        for piece in pieces:
            if outlet.cancelled:
                return
            if piece:  # the head waits for the first byte, as until then it may become that of an error
                call.write(piece)
        call.check_begun()
    finally:
        if hasattr(pieces, "close"):
            pieces.close()


class _WsgiCall:
    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._begun = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Failure | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._outlet.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # its traceback holds this frame
        elif self._begun:
            raise PluginFault("the WSGI application called start_response twice, and not for an error")
        self._begun = True
        self._outlet.head(_code(status), headers)
        return self.write

    def write(self, body: bytes) -> None:
        self.check_begun()
        self._outlet.write(body)

    def check_begun(self) -> None:
        if not self._begun:
            raise PluginFault("the WSGI application answered without calling start_response first")


def _code(status: str) -> int:
    try:
        return int(status[:3])
    except ValueError:
        raise PluginFault(f"the WSGI application said {status!r}; expected a status such as '200 OK'") from None


def _environ(asked: ResourceRequest, path: str, query: str) -> dict[str, Any]:
    """The environment of a request. Its texts are bytes in disguise, as PEP 3333 wants them."""
    headers = {name.lower(): values for name, values in asked.headers.items()}
    host, _, port = next(iter(headers.get("host", ())), "").rpartition(":")
    environ = {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query.encode().decode("latin-1"),
        "CONTENT_TYPE": ",".join(headers.pop("content-type", ())),
        "CONTENT_LENGTH": str(len(asked.body)),
        "SERVER_NAME": host or "plugin",
        "SERVER_PORT": port if host and port.isdigit() else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(asked.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    headers.pop("content-length", None)  # of what the host got; the body is what counts
    for name, values in headers.items():
        between = "; " if name == "cookie" else ","
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = between.join(values)
    return environ
