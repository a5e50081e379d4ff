"""The HTTP routes of plugins: `/api/datasources/:id/resources/*` and its like, any method, answers streamed.

Source: grafana 7.5, pkg/api/datasources.go (`CallDatasourceResource`) and pkg/api/plugins.go
(`CallResource`); grafana 9 for the routes by uid.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graftage.backend.context import User
from graftage.backend.resource import Headers, ResourcePart, ResourceRequest
from graftage.errors import GraftageError, NotImplementedByPlugin, PluginNotRunning, for_log
from graftage.server.answers import BEFORE_HANDLER, message_answer
from graftage.server.body import read_bytes
from graftage.server.callee import Callee, Callees, Missing
from graftage.server.departure import WhileConnected
from graftage.server.headers import NO_CACHE
from graftage.server.resource_forwarding import (
    caller_headers,
    check_headers,
    plugin_headers,
    resource_path,
    resource_url,
)
from graftage.server.routing import Handler, Route

# A plugin takes this much by default. Source: grafana-plugin-sdk-go, backend/serve.go.
BODY_LIMIT: Final = 16 * 1024 * 1024

_FIRST_FINAL, _LAST = 200, 599  # of HTTP's status codes; below are those that another one follows
_WITHOUT_BODY: Final = (204, 304)
_CALL_FAILED: Final = "Failed to call resource"
_ABSENT: Final[Mapping[Missing, tuple[int, str]]] = {
    Missing.SOURCE: (500, "Unable to load datasource meta data"),
    Missing.TYPE: (500, "Unable to find datasource plugin"),
    Missing.PLUGIN: (404, "Plugin not found"),
    Missing.BACKEND: (500, _CALL_FAILED),
}
_ABSENT_BY_UID: Final = {**_ABSENT, Missing.SOURCE: (404, "Data source not found")}

_log = logging.getLogger(__name__)


class Plugins(Protocol):
    """The call; `Host` has it."""

    def call_resource(
        self, plugin_id: str, request: ResourceRequest, *, timeout: float
    ) -> AsyncGenerator[ResourcePart, None]: ...


def routes(
    *, plugins: Plugins, callees: Callees, caller: Callable[[Request], User | None], seconds: float
) -> list[Route]:
    """caller: who sends a request. seconds: how long a plugin may take."""

    def forward(find: Callable[[str, User | None], Callee | Missing], key: str, *, by_uid: bool) -> Handler:
        async def call(request: Request) -> Response:
            found = find(request.path_params[key], caller(request))
            if isinstance(found, Missing):
                return _refusal(*(_ABSENT_BY_UID if by_uid else _ABSENT)[found])
            asked = await _asked(request, found)
            parts = plugins.call_resource(found.plugin_id, asked, timeout=seconds)
            return _Answer(parts, found.plugin_id, sandboxed=by_uid)

        return call

    by_id = forward(callees.source_by_id, "id", by_uid=False)
    by_uid = forward(callees.source_by_uid, "uid", by_uid=True)
    of_plugin = forward(callees.plugin, "id", by_uid=False)
    return [
        Route(f"{prefix}/resources{rest}", {"*": handler}, caches=True)
        for prefix, handler in (
            ("/api/datasources/:id", by_id),
            ("/api/datasources/uid/:uid", by_uid),
            ("/api/plugins/:id", of_plugin),
        )
        for rest in ("", "/*")
    ]


async def _asked(request: Request, callee: Callee) -> ResourceRequest:
    path = resource_path(request.path_params.get("*", ""))
    return ResourceRequest(
        callee.context,
        path,
        request.method,
        resource_url(path, request.scope["query_string"].decode("latin-1")),
        plugin_headers(
            request.headers.items(),
            cookies=callee.cookies,
            client=request.client.host if request.client else "",
        ),
        await read_bytes(request, BODY_LIMIT),
    )


class _Answer(Response):
    """An answer that is sent while the plugin makes it, each part as soon as it comes."""

    def __init__(self, parts: AsyncGenerator[ResourcePart, None], plugin_id: str, *, sandboxed: bool) -> None:
        super().__init__()
        self._parts = parts
        self._plugin_id = plugin_id
        self._sandboxed = sandboxed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0  # until the first part is there
        try:
            with WhileConnected(receive):
                async with aclosing(self._parts) as parts:
                    async for part in parts:
                        if not status:
                            check_headers(part.headers)
                            status = _status(part.code)
                            await send(self._start(status, part.headers))
                        if part.body and status not in _WITHOUT_BODY:
                            await send({"type": "http.response.body", "body": part.body, "more_body": True})
                if status:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ClientDisconnect:
            return
        except GraftageError as error:
            _log.error("%s: plugin %s: %s", _CALL_FAILED, self._plugin_id, for_log(error))
            if not status:
                await _told(error)(scope, receive, send)
            # Else it is too late for another status; the connection is closed on an answer that is not whole.
            return
        if not status:
            _log.error("%s: plugin %s answered nothing at all", _CALL_FAILED, self._plugin_id)
            await _refusal(500, _CALL_FAILED)(scope, receive, send)

    def _start(self, status: int, sent: Headers) -> dict[str, object]:
        headers = caller_headers(sent, sandboxed=self._sandboxed, has_body=status not in _WITHOUT_BODY)
        encoded = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers
        ]
        return {"type": "http.response.start", "status": status, "headers": encoded}


def _status(code: int) -> int:
    """A status that ends a request: 200 where the plugin names none that does, 500 for what HTTP has not."""
    if code < _FIRST_FINAL:
        return 200
    return code if code <= _LAST else 500


def _told(error: GraftageError) -> Response:
    match error:
        case NotImplementedByPlugin():
            return _refusal(404, "Not found")
        case PluginNotRunning():
            return _refusal(503, "Plugin unavailable")
        case _:
            return _refusal(500, _CALL_FAILED)


def _refusal(status: int, message: str) -> Response:
    refusal = message_answer(message, status, media_type=BEFORE_HANDLER)
    refusal.raw_headers.extend(NO_CACHE)  # for the plugin's own answers it decides itself
    return refusal
