"""An author's data source or app as what is served: its services in both protocol versions.

What answering needs (NumPy, the codec, the author's module if it is given by name) is loaded by `prepare`,
when the handshake is printed already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc.aio

from graftage.errors import PluginFault
from graftage.sdk.calls import Calls, MethodHandler, NotOffered, Send
from graftage.sdk.capabilities import SERVICES, Method, Service, always
from graftage.sdk.handlers import answers_health, answers_queries, handlers_of
from graftage.sdk.tracing import Metadata

if TYPE_CHECKING:
    from graftage.protocol.broker import Broker
    from graftage.sdk.host_query import HostConnection
    from graftage.sdk.runtime import Runtime

CLOSE_SECONDS = 0.2


class Plugin:
    """Serves a class, an object, or a class by name (`"module:Class"`).

    Raises PluginFault for what serves nothing. A class by name is looked at by `prepare`: until then it is
    taken to have every capability, and calls for those that it lacks are refused one by one.
    """

    def __init__(self, target: object) -> None:
        if not isinstance(target, str):
            _check(target)  # that it cannot serve is better told before the handshake
        self._target = target
        self._calls = Calls()
        self._runtime: Runtime | None = None
        self._connection: HostConnection | None = None
        self._services: dict[str, Any] = {}

    @property
    def versions(self) -> Mapping[int, Sequence[grpc.GenericRpcHandler[bytes, bytes]]]:
        offered = {
            version: [
                grpc.method_handlers_generic_handler(
                    name, {rpc: self._handler(name, method) for rpc, method in service.methods.items()}
                )
                for name, service in services.items()
                if isinstance(self._target, str) or service.is_offered(self._target)
            ]
            for version, services in SERVICES.items()
        }
        return {version: handlers for version, handlers in offered.items() if handlers}

    def connected(self, broker: Broker) -> None:
        from graftage.sdk.host_query import HostConnection

        self._connection = HostConnection(broker)

    def prepare(self) -> None:
        target = _named(self._target) if isinstance(self._target, str) else self._target
        _check(target)
        from graftage.sdk.runtime import Runtime

        self._runtime = Runtime(target, connection=self._connection)
        for services in SERVICES.values():
            for name, service in services.items():
                if service.is_offered(target):
                    self._services[name] = _named(service.home)(self._runtime)

    async def finish(self, seconds: float) -> None:
        await self._calls.finish(seconds)
        if self._runtime is not None:
            await self._runtime.close(timeout=CLOSE_SECONDS)

    def _handler(self, service: str, method: Method) -> MethodHandler:
        async def answer(message: bytes, metadata: Metadata) -> bytes:
            return bytes(await getattr(self._service(service), method.attribute)(message, metadata))

        async def answer_in_pieces(message: bytes, metadata: Metadata, send: Send) -> None:
            await getattr(self._service(service), method.attribute)(message, metadata, send)

        if method.streams:
            return self._calls.streaming(answer_in_pieces, endless=method.endless)
        return self._calls.unary(answer)

    def _service(self, name: str) -> Any:
        assert self._runtime is not None, "no call arrives before `prepare` is done"
        if name not in self._services:
            raise NotOffered(f"this plugin has no handlers for {name}")
        return self._services[name]


def _check(target: object) -> None:
    """Raises PluginFault when the target serves nothing, or in a way that cannot work."""
    others = [service for services in SERVICES.values() for service in services.values()]
    if answers_queries(target) or not (answers_health(target) or any(_serves(s, target) for s in others)):
        handlers_of(target)


def _serves(service: Service, target: object) -> bool:
    return service.is_offered is not always and service.is_offered(target)


def _named(name: str) -> Any:
    """What `"package.module:Class"` names. Raises PluginFault, or whatever importing the module raises."""
    from importlib import import_module

    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise PluginFault(f"serve({name!r}) names no class; expected 'package.module:Class'")
    target: object = import_module(module_name)
    for attribute in path.split("."):
        try:
            target = getattr(target, attribute)
        except AttributeError as error:
            raise PluginFault(f"serve({name!r}): {error}") from None
    return target
