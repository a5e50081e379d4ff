"""The services of the plugin system itself on a plugin's socket: health, controller, stdio, broker.

Handlers take and give bytes; generated modules are loaded by the first call that needs them.

Source: hashicorp/go-plugin, grpc_server.go, grpc_controller.go, grpc_stdio.go, grpc_broker.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

import grpc.aio

from graftage.errors import WireError
from graftage.protocol import rpc
from graftage.protocol.messages import Output, encode_output
from graftage.sdk.output import OutputBuffer

if TYPE_CHECKING:
    from graftage.protocol.broker import Broker

HEALTHY = ("", rpc.HEALTH_NAME)  # the names that health can be asked for


def health(stopping: asyncio.Event) -> grpc.GenericRpcHandler[bytes, bytes]:
    """`grpc.health.v1.Health`: a plugin that serves is well. Watchers are told when it stops."""

    async def check(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        from grpc_health.v1 import health_pb2

        name = health_pb2.HealthCheckRequest.FromString(request).service
        if name not in HEALTHY:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"unknown service {name!r}; ask for {rpc.HEALTH_NAME!r}"
            )
        return _status("SERVING")

    async def watch(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        from grpc_health.v1 import health_pb2

        known = health_pb2.HealthCheckRequest.FromString(request).service in HEALTHY
        await context.write(_status("SERVING" if known else "SERVICE_UNKNOWN"))
        await stopping.wait()
        if known:
            await context.write(_status("NOT_SERVING"))

    async def list_all(_: bytes, __: object) -> bytes:
        from grpc_health.v1 import health_pb2

        serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        answer = health_pb2.HealthListResponse(statuses=dict.fromkeys(HEALTHY, serving))
        return bytes(answer.SerializeToString())

    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(check),
        "List": grpc.unary_unary_rpc_method_handler(list_all),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
    }
    return grpc.method_handlers_generic_handler(rpc.HEALTH, methods)


def controller(shut_down: Callable[[], None]) -> grpc.GenericRpcHandler[bytes, bytes]:
    """`plugin.GRPCController`: calls `shut_down`, which must only ask, so that the reply still goes out."""

    async def shutdown(_: bytes, __: object) -> bytes:
        shut_down()
        return b""  # an Empty message

    return grpc.method_handlers_generic_handler(
        rpc.CONTROLLER, {"Shutdown": grpc.unary_unary_rpc_method_handler(shutdown)}
    )


def stdio(outputs: Mapping[Output, OutputBuffer]) -> grpc.GenericRpcHandler[bytes, bytes]:
    """`plugin.GRPCStdio`: what the program printed, once, until the outputs are closed and empty."""

    async def stream(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(((rpc.OUTPUT_IS_LOGGED, "true"),))
        async for channel, piece in pieces(outputs):
            yield encode_output(channel, piece)

    return grpc.method_handlers_generic_handler(
        rpc.STDIO, {"StreamStdio": grpc.unary_stream_rpc_method_handler(stream)}
    )


def broker(broker: Callable[[], Broker], stopping: asyncio.Event) -> grpc.GenericRpcHandler[bytes, bytes]:
    """`plugin.GRPCBroker`: the stream that every host opens and keeps open. One may follow another."""

    async def start_stream(
        arriving: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        try:
            await first_of(broker().converse(arriving, context.write), stopping.wait())
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return grpc.method_handlers_generic_handler(
        rpc.BROKER, {"StartStream": grpc.stream_stream_rpc_method_handler(start_stream)}
    )


async def pieces(outputs: Mapping[Output, OutputBuffer]) -> AsyncIterator[tuple[Output, bytes]]:
    """The pieces of the outputs as they come, in turn, until all are closed and empty."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    for output in outputs.values():
        output.on_change(wake)
    while True:
        changed.clear()
        is_empty = True
        for channel, output in outputs.items():
            if piece := output.take():
                is_empty = False
                yield channel, piece
        if is_empty:
            if all(output.closed for output in outputs.values()):
                return
            await changed.wait()


async def first_of(*coroutines: Coroutine[object, object, object]) -> None:
    """Return when one of them has, or raise what it raises; the others are cancelled."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        if not task.cancelled():
            task.result()


def _status(name: str) -> bytes:
    """A `grpc.health.v1.HealthCheckResponse` with the status of this name."""
    from grpc_health.v1 import health_pb2

    return bytes(health_pb2.HealthCheckResponse(status=name).SerializeToString())
