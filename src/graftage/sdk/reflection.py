"""Server reflection: tools such as grpcurl ask a plugin what it serves.

Both versions of the service are offered, as the reference does. They differ in their names only, and the
installed library knows the older one; the newer one's description is made from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from functools import cache
from typing import Any

import grpc.aio

from graftage.protocol import rpc


def reflection(services: Collection[str]) -> list[grpc.GenericRpcHandler[bytes, bytes]]:
    """The reflection services, answering that `services` and they themselves are served."""
    served = sorted({*services, *rpc.REFLECTION})

    async def info(
        requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> AsyncIterator[bytes]:
        from grpc_reflection.v1alpha import reflection_pb2

        async def decoded() -> AsyncIterator[Any]:
            async for request in requests:
                yield reflection_pb2.ServerReflectionRequest.FromString(request)

        async for answer in _servicer(tuple(served)).ServerReflectionInfo(decoded(), context):
            yield answer.SerializeToString()

    methods = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(info)}
    return [grpc.method_handlers_generic_handler(name, methods) for name in rpc.REFLECTION]


@cache
def _servicer(services: tuple[str, ...]) -> Any:
    from grpc_health.v1 import health_pb2  # noqa: F401 - importing it makes its description known
    from grpc_reflection.v1alpha import reflection as library

    from graftage.protocol.descriptors import load_descriptors

    load_descriptors()
    _describe_new_reflection()
    return library.aio.ReflectionServicer(services)  # type: ignore[attr-defined]  # exported in its own `__all__`


def _describe_new_reflection() -> None:
    """Make the newer version of the service known to the pool of descriptions, unless it is."""
    from google.protobuf import descriptor_pb2, descriptor_pool
    from grpc_reflection.v1alpha import reflection_pb2

    old, new = (name.rpartition(".")[0] for name in rpc.REFLECTION)
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(rpc.REFLECTION[1])
    except KeyError:
        description = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(description)
        description.name = "grpc/reflection/v1/reflection.proto"
        description.package = new
        for message in description.message_type:
            for field in message.field:
                if field.HasField("type_name"):  # a number or text has none, and must not get an empty one
                    field.type_name = field.type_name.replace(f".{old}.", f".{new}.")
        for method in description.service[0].method:
            method.input_type = method.input_type.replace(f".{old}.", f".{new}.")
            method.output_type = method.output_type.replace(f".{old}.", f".{new}.")
        pool.Add(description)
