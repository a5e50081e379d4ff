"""`pluginv2.Resource`: a plugin's own HTTP routes.

A method decorated for the path answers; where there is none, the plugin's ASGI or WSGI application does.

Source: grafana/grafana-plugin-sdk-go, backend/resource/httpadapter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from graftage.backend.resource import Headers, ResourcePart, ResourceRequest
from graftage.errors import PluginFault
from graftage.protocol.v2.resource import decode_resource_request, encode_resource_part
from graftage.sdk import marks, resource_request
from graftage.sdk.call import Call, comes_from_outside
from graftage.sdk.calls import Send
from graftage.sdk.errors import PluginError
from graftage.sdk.folded import FoldedMapping
from graftage.sdk.instances import Instance
from graftage.sdk.reply import Reply
from graftage.sdk.resource_answer import send_message, send_returned
from graftage.sdk.router import HEAD, Found, NoRoute, Router
from graftage.sdk.runtime import Runtime
from graftage.sdk.tracing import Metadata

ENDPOINT = "callResource"
NOT_FOUND, METHOD_NOT_ALLOWED, FIRST_OF_OURS = 404, 405, 500
APPLICATION = "application"  # its place among what an object keeps

log = logging.getLogger(__name__)


class ResourceService:
    """Raises PluginFault for routes that get into each other's way, or two applications."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        routes = marks.marked(runtime.target, marks.RESOURCES).items()
        self._router = Router((name, route) for name, own in routes for route in own)
        self._application = _application_method(runtime.target)

    async def call_resource(self, message: bytes, metadata: Metadata, send: Send) -> None:
        async def send_part(part: ResourcePart) -> None:
            await send(encode_resource_part(part))

        asked = decode_resource_request(message)
        reply = Reply(send_part, has_body=asked.method != HEAD)
        headers = _joined(asked.headers)
        async with self._runtime.call(ENDPOINT, asked.context, metadata, headers=headers) as call:
            try:
                async with call.instance() as instance:
                    await self._answer(call, instance, asked, reply)
            except BaseException as error:
                if comes_from_outside(error) or (reply.started and not reply.ended):
                    raise
                await _answer_failure(call, error, reply)

    async def _answer(self, call: Call, instance: Instance, asked: ResourceRequest, reply: Reply) -> None:
        path = asked.path if asked.path.startswith("/") else f"/{asked.path}"
        query = asked.url.partition("#")[0].partition("?")[2]
        route = self._router.find(asked.method, path)
        if isinstance(route, Found):
            request = _author_request(call, instance, asked, path, query)
            handler = getattr(instance.source, route.handler)
            bound = route.arguments.bound(handler, route.parameters, request)
            await send_returned(call, instance, await call.run(instance, bound), reply)
        elif self._application:
            application = await self._application_of(call, instance, self._application)
            await self._answer_by_application(call, instance, application, asked, path, query, reply)
        else:
            await _refuse(route, asked.method, path, reply)
