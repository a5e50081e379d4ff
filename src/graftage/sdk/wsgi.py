"""A plugin's own HTTP routes answered by a WSGI application: Flask, Django, Bottle and others.

Source: PEP 3333.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, TypeAlias

from graftage.errors import PluginFault
from graftage.sdk.call import Call
from graftage.sdk.incoming import Incoming, joined
from graftage.sdk.instances import Instance
from graftage.sdk.reply import Reply

Application: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Failure: TypeAlias = tuple[type[BaseException], BaseException, TracebackType]

SOME_HOST, SOME_PORT = "plugin", "80"  # where the host does not tell: a plugin is called by no name


async def answer_by_wsgi(
    application: Application, call: Call, instance: Instance, asked: Incoming, reply: Reply
) -> None:
    """Ask in a worker thread. Raises what the application raises, and PluginFault when it breaks rules."""
    exchange = _Exchange(call, reply, asyncio.get_running_loop())
    await call.in_thread(instance, lambda: exchange.run(application, _environ(asked)))
    await reply.end()


class _Exchange:
    """One request and its answer, in a worker thread; the answer leaves through the event loop."""

    def __init__(self, call: Call, reply: Reply, loop: asyncio.AbstractEventLoop) -> None:
        self._call = call
        self._reply = reply
        self._loop = loop
        self._begun = False

    def run(self, application: Application, environ: dict[str, Any]) -> None:
        pieces = application(environ, self._start_response)
        with ExitStack() as stack:
            if hasattr(pieces, "close"):
                stack.callback(pieces.close)
            for piece in pieces:
                if self._call.cancelled.is_set():
                    return
                if piece:  # the head waits for the first byte: until then it may become that of an error
                    self._write(piece)
            self._check_begun()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Failure | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self._reply.started:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._begun:
            raise PluginFault("the WSGI application called start_response twice, and not for an error")
        self._begun = True
        self._reply.head(_code(status), headers)
        return self._write

    def _write(self, body: bytes) -> None:
        self._check_begun()
        asyncio.run_coroutine_threadsafe(self._reply.write(body), self._loop).result()

    def _check_begun(self) -> None:
        if not self._begun:
            raise PluginFault("the WSGI application answered without calling start_response first")


def _code(status: str) -> int:
    try:
        return int(status[:3])
    except ValueError:
        raise PluginFault(
            f"the WSGI application said {status!r}; expected a status such as '200 OK'"
        ) from None


def _environ(asked: Incoming) -> dict[str, Any]:
    """The environment of a request. Its texts are bytes in disguise, as PEP 3333 wants them."""
    headers = {name.lower(): value for name, value in joined(asked.headers).items()}
    host, _, port = headers.get("host", "").partition(":")
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    for name in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
        environ.pop(name, None)
    return environ | {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _disguised(asked.path),
        "QUERY_STRING": _disguised(asked.query),
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(asked.body)),
        "SERVER_NAME": host or SOME_HOST,
        "SERVER_PORT": port or SOME_PORT,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(asked.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _disguised(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")
