"""`pluginv2.Resource`: a plugin's own HTTP routes.

A method decorated for the path answers; where there is none, the plugin's web application does.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from graftage.backend.resource import ResourcePart
from graftage.protocol.v2.resource import decode_resource_request, encode_resource_part
from graftage.sdk.application import application_of
from graftage.sdk.call import Call, comes_from_outside
from graftage.sdk.calls import Send
from graftage.sdk.errors import PluginError
from graftage.sdk.folded import FoldedMapping
from graftage.sdk.incoming import Incoming, incoming, joined
from graftage.sdk.instances import Instance
from graftage.sdk.marks import RESOURCES, marked
from graftage.sdk.reply import Reply
from graftage.sdk.resource_answer import send_message, send_returned
from graftage.sdk.resource_request import QueryParameters, ResourceRequest
from graftage.sdk.router import HEAD, Found, NoRoute, Router
from graftage.sdk.runtime import Runtime
from graftage.sdk.tracing import Metadata

ENDPOINT = "callResource"
NOT_FOUND, METHOD_NOT_ALLOWED = 404, 405
OUR_FAULT_FROM = 500  # among the statuses of HTTP


class ResourceService:
    """Raises PluginFault for routes that get into each other's way, and for two applications."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        routes = marked(runtime.target, RESOURCES).items()
        self._router = Router((name, route) for name, own in routes for route in own)
        self._application = application_of(runtime.target)

    async def call_resource(self, message: bytes, metadata: Metadata, send: Send) -> None:
        async def send_part(part: ResourcePart) -> None:
            await send(encode_resource_part(part))

        sent = decode_resource_request(message)
        asked = incoming(sent)
        reply = Reply(send_part, has_body=asked.method != HEAD)
        headers = joined(asked.headers)
        async with self._runtime.call(ENDPOINT, sent.context, metadata, headers=headers) as call:
            try:
                async with call.instance() as instance:
                    await self._answer(call, instance, asked, reply)
            except BaseException as error:
                if comes_from_outside(error) or (reply.started and not reply.ended):
                    raise
                await _say(call, error, reply)

    async def _answer(self, call: Call, instance: Instance, asked: Incoming, reply: Reply) -> None:
        route = self._router.find(asked.method, asked.path)
        if isinstance(route, Found):
            handler = getattr(instance.source, route.handler)
            request = _request(call, instance, asked)
            bound = route.arguments.bound(handler, route.parameters, request)
            await send_returned(call, instance, await call.run(instance, bound), reply)
        elif self._application is not None:
            await self._application.answer(call, instance, asked, reply)
        else:
            await _refuse(route, asked, reply)


def _request(call: Call, instance: Instance, asked: Incoming) -> ResourceRequest:
    return ResourceRequest(
        method=asked.method,
        path=asked.path,
        settings=instance.settings,
        query=QueryParameters(parse_qsl(asked.query, keep_blank_values=True)),
        headers=FoldedMapping(joined(asked.headers)),
        body=asked.body,
        context=call.context,
        _cancelled=call.cancelled,
    )


async def _say(call: Call, error: BaseException, reply: Reply) -> None:
    """Answer with what went wrong, unless the answer is complete: an application may fail behind it."""
    if isinstance(error, PluginError) and error.status is not None and error.status < OUR_FAULT_FROM:
        failure = call.describe(error)  # what the sender did wrong is no failure of the plugin
    else:
        failure = call.failed("the resource call failed", error)
    if not reply.ended:
        await send_message(failure.text, failure.blame.status, reply)


async def _refuse(route: NoRoute, asked: Incoming, reply: Reply) -> None:
    if not route.allowed:
        await send_message(f"this plugin has no route {asked.path}", NOT_FOUND, reply)
        return
    allowed = ", ".join(route.allowed)
    text = f"{asked.path} cannot be asked by {asked.method}, only by {allowed}"
    await send_message(text, METHOD_NOT_ALLOWED, reply, {"Allow": allowed})
