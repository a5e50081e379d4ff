"""Live data: `/api/live/ws` for clients of Centrifuge's protocol, `/api/live/sse/*` for everybody else.

Source: grafana, pkg/services/live/live.go (`ProvideService`, `getCheckOriginFunc`). Events are our own.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from graftage.backend.context import User
from graftage.errors import BadRequest
from graftage.server.answers import message_answer
from graftage.server.live.sse import EVENTS, open_events
from graftage.server.live.streams import Streams
from graftage.server.live.websocket import Connection, Patience
from graftage.server.routing import Route


def routes(
    *, streams: Streams, caller: Callable[[HTTPConnection], User | None], patience: Patience | None = None
) -> list[Route]:
    """caller: who opens a connection. patience: with clients of the WebSocket."""

    async def connect(socket: WebSocket) -> None:
        """WS /api/live/ws"""
        if not _is_own_page(socket):
            await socket.send_denial_response(message_answer("origin not allowed", 403))
            return
        await Connection(socket, streams, caller(socket), patience).serve()

    async def explain(request: Request) -> Response:
        """GET /api/live/ws"""
        raise BadRequest("expected the opening of a WebSocket; /api/live/sse/ds/UID/PATH needs none")

    async def events(request: Request) -> Response:
        """GET /api/live/sse/*"""
        if request.method == "HEAD":
            return Response(media_type=EVENTS)  # else it would wait for an end that never comes
        return await open_events(unquote(request.path_params["*"]), streams, caller(request))

    return [
        Route("/api/live/ws", {"GET": explain}, socket=connect),
        Route("/api/live/sse/*", {"GET": events}),
    ]


def _is_own_page(socket: WebSocket) -> bool:
    """Browsers let any page open a WebSocket to anywhere; they say from which page."""
    origin = socket.headers.get("origin")
    host = socket.headers.get("host", "").lower()
    return origin is None or origin.lower().partition("://")[2] == host
