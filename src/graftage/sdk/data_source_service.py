"""The service through which a host asks an author's data source: `models.DatasourcePlugin`, version 1.

What a query needs (NumPy, the codec, the author's module if it is given by name) is loaded by `prepare`, when
the handshake is printed already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc.aio

from graftage.errors import PluginFault, WireError
from graftage.protocol import rpc
from graftage.sdk.handlers import handlers_of

if TYPE_CHECKING:
    from graftage.backend.query import Result
    from graftage.sdk.dispatch import Dispatcher

CANCEL_SECONDS = 0.1
CLOSE_SECONDS = 0.2

log = logging.getLogger(__name__)


class DataSourceService:
    """Serves a class, an object, or a class by name (`"module:Class"`)."""

    def __init__(self, target: object) -> None:
        if not isinstance(target, str):
            handlers_of(target)  # that it cannot serve is better told before the handshake
        self._target = target
        self._dispatcher: Dispatcher | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._stopped = False

    @property
    def versions(self) -> Mapping[int, Sequence[grpc.GenericRpcHandler[bytes, bytes]]]:
        query = grpc.unary_unary_rpc_method_handler(self._query)
        return {1: [grpc.method_handlers_generic_handler(rpc.DATASOURCE_V1, {"Query": query})]}

    def prepare(self) -> None:
        target = _load(self._target) if isinstance(self._target, str) else self._target
        from graftage.protocol.v1 import request, response  # noqa: F401 - the first query shall not wait for them
        from graftage.sdk.dispatch import Dispatcher

        self._dispatcher = Dispatcher(target)

    async def finish(self, seconds: float) -> None:
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        self._stopped = True
        late = set(self._calls)
        for call in late:
            call.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)
        if self._dispatcher is not None:
            await self._dispatcher.close(timeout=CLOSE_SECONDS)

    async def _query(self, message: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        from graftage.protocol.v1.request import decode_request

        assert self._dispatcher is not None, "no call arrives before `prepare` is done"
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            results = await self._dispatcher.answer(decode_request(message))
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            task.uncancel()
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, "the plugin was stopped before it had the answer"
            )
        finally:
            self._calls.discard(task)
        return b"".join(_encode(result) for result in results)


def _encode(result: Result) -> bytes:
    """The result as a message of its own; messages one after another are one message with all their results.

    What cannot be written is the error of its query and leaves the others alone.
    """
    from graftage.backend.query import Result
    from graftage.protocol.v1.response import encode_response
    from graftage.sdk.log import error_text

    try:
        return encode_response((result,))
    except Exception as error:
        log.exception("the answer to %r cannot be written", result.ref_id)
        return encode_response(
            (Result(result.ref_id, error=f"the answer cannot be sent: {error_text(error)}"),)
        )


def _load(name: str) -> object:
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
