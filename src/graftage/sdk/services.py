"""The services of the plugin system itself on a plugin's socket: health, controller, stdio, broker.

Handlers take and give bytes; generated modules are loaded by the first call that needs them.

Source: hashicorp/go-plugin, grpc_server.go, grpc_controller.go, grpc_stdio.go, grpc_broker.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import grpc.aio

from graftage.protocol import rpc
from graftage.sdk.output import OutputBuffer

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


def stdio(output: OutputBuffer) -> grpc.GenericRpcHandler[bytes, bytes]:
    """`plugin.GRPCStdio`: what the program printed, once, until the output is closed and empty."""

    async def stream(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        from graftage.protocol.messages import Output, encode_output

        await context.send_initial_metadata(((rpc.OUTPUT_IS_LOGGED, "true"),))
        async for piece in pieces(output):
            yield encode_output(Output.STDOUT, piece)

    return grpc.method_handlers_generic_handler(
        rpc.STDIO, {"StreamStdio": grpc.unary_stream_rpc_method_handler(stream)}
    )


def broker(stopping: asyncio.Event) -> grpc.GenericRpcHandler[bytes, bytes]:
    """`plugin.GRPCBroker`: the stream that every host opens and keeps open. This plugin offers no further
    connections, and has no use for those that a host offers. One stream may follow another."""

    async def start_stream(offers: AsyncIterator[bytes], _: object) -> None:
        await first_of(_read_all(offers), stopping.wait())

    return grpc.method_handlers_generic_handler(
        rpc.BROKER, {"StartStream": grpc.stream_stream_rpc_method_handler(start_stream)}
    )


async def pieces(output: OutputBuffer) -> AsyncIterator[bytes]:
    """The pieces of an output as they come, until it is closed and empty."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    output.on_change(wake)
    while True:
        changed.clear()
        while piece := output.take():
            yield piece
        if output.closed:
            return
        await changed.wait()


async def first_of(*coroutines: Coroutine[object, object, object]) -> None:
    """Return when one of them has; the others are cancelled."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _read_all(messages: AsyncIterator[bytes]) -> None:
    async for _ in messages:
        pass


def _status(name: str) -> bytes:
    """A `grpc.health.v1.HealthCheckResponse` with the status of this name."""
    from grpc_health.v1 import health_pb2

    return bytes(health_pb2.HealthCheckResponse(status=name).SerializeToString())
