"""The ASGI application: from a request to its handler, and from whatever comes of that to an answer.

Starlette's requests and responses are used as they are. Its application class is not: the router has other
rules (see `routing`), and the middlewares that every answer would pass cost more than the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from graftage.errors import GraftageError
from graftage.server.answers import crashed, explain, not_found
from graftage.server.headers import OWN, SECURITY
from graftage.server.metrics import Metrics
from graftage.server.routes.index import missing_page
from graftage.server.routing import Handler, Route, RouteTable

_log = logging.getLogger(__name__)


def build_app(routes: Iterable[Route], *, metrics: Metrics) -> ASGIApp:
    """The application that serves `routes`. Raises ValueError when two of them are one."""
    table = RouteTable(routes)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _talk(table, WebSocket(scope, receive, send))
            return
        if scope["type"] != "http":
            raise ValueError(f"this server speaks HTTP; it cannot answer {scope['type']!r}")
        started = perf_counter()
        path, method = scope["raw_path"].decode("latin-1"), scope["method"]
        found = table.match(path)
        handler = found.route.handler(method) if found else None
        status = 0

        if found is None or handler is None:
            response = _nowhere(path, method, known=found is not None)
            own_headers = OWN
        else:
            scope["path_params"] = found.parameters
            own_headers = SECURITY if found.route.bare or found.route.caches else OWN
            try:
                response = await _response(handler, Request(scope, receive))
            except ClientDisconnect:
                return

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *own_headers]
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        await response(scope, receive, send_with_headers)
        if found is not None and handler is not None:
            seconds = perf_counter() - started
            metrics.answered(found.route.pattern, method, status, seconds, proxied=found.route.bare)

    return app


async def _response(handler: Handler, request: Request) -> Response:
    """What the handler answers, or what its error means. Raises ClientDisconnect if nobody waits."""
    try:
        return await handler(request)
    except GraftageError as error:
        return explain(error)
    except ClientDisconnect:
        raise
    except Exception:
        _log.exception("%s %s failed", request.method, request.url.path)
        return crashed()


async def _talk(table: RouteTable, socket: WebSocket) -> None:
    found = table.match(socket.scope["raw_path"].decode("latin-1"))
    if found is None or found.route.socket is None:
        await socket.send_denial_response(not_found())
        return
    socket.scope["path_params"] = found.parameters
    await found.route.socket(socket)


def _nowhere(path: str, method: str, *, known: bool) -> Response:
    if known or path.startswith("/api/") or method not in ("GET", "HEAD"):
        return not_found()
    return missing_page()
