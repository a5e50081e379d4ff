"""A plugin whose calls lead to further connections, both ways: `tests/interop/go/brokered` in Python."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue

from graftage.protocol.broker import Broker
from graftage.sdk.running import Services, run

Context = grpc.aio.ServicerContext[Any, Any]


def service(name: str, **methods: Callable[[str], Awaitable[str]]) -> grpc.GenericRpcHandler[Any, Any]:
    """Methods from text to text."""

    def handler(method: Callable[[str], Awaitable[str]]) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(request: StringValue, _: Context) -> StringValue:
            return StringValue(value=await method(request.value))

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=StringValue.FromString,
            response_serializer=StringValue.SerializeToString,
        )

    return grpc.method_handlers_generic_handler(
        name, {method: handler(function) for method, function in methods.items()}
    )


def echo(name: str) -> grpc.GenericRpcHandler[Any, Any]:
    """`interop.Echo`: says who answers, and repeats."""

    async def say(request: str) -> str:
        return f"{name} heard: {request}"

    return service("interop.Echo", Say=say)


async def call(channel: grpc.aio.Channel, method: str, request: str = "", *, timeout: float = 20.0) -> str:
    """Ask a method of these services, such as `interop.Echo/Say`."""
    multicallable = channel.unary_unary(
        f"/{method}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )
    return str((await multicallable(StringValue(value=request), timeout=timeout)).value)


class Brokering(Services):
    """DialBack: dials a number, asks Echo there, and gives the answer back. Offer: accepts a number and tells
    it. Large: answers with so many bytes."""

    def __init__(self) -> None:
        own = service("interop.Broker", DialBack=self._dial_back, Offer=self._offer, Large=self._large)
        super().__init__({1: [own]})
        self._stack = AsyncExitStack()

    def connected(self, broker: Broker) -> None:
        self._broker = broker

    async def finish(self, seconds: float) -> None:
        await self._stack.aclose()

    async def _dial_back(self, request: str) -> str:
        async with self._broker.dial(int(request)) as channel:
            return await call(channel, "interop.Echo/Say", "a question")

    async def _offer(self, _: str) -> str:
        number = self._broker.next_id()
        await self._stack.enter_async_context(self._broker.accept(number, [echo("the plugin")]))
        return str(number)

    async def _large(self, request: str) -> str:
        return "x" * int(request)


if __name__ == "__main__":
    run(Brokering, receive_bytes=-1, outlive_host=False, redirect_stderr=False)
