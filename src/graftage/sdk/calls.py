"""The running calls of a plugin, and how the end of each becomes a gRPC status. Light, but for gRPC."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc.aio

from graftage.errors import GraftageError, WireError
from graftage.sdk.tracing import Metadata

CANCEL_SECONDS = 0.1
GONE_SECONDS = 1.0  # the longest that a thread waits to hear that nobody takes what it makes

Send: TypeAlias = Callable[[bytes], Awaitable[None]]
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Unary: TypeAlias = Callable[[bytes, Metadata], Awaitable[bytes]]
Streaming: TypeAlias = Callable[[bytes, Metadata, Send], Awaitable[None]]
MethodHandler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

log = logging.getLogger(__name__)


class NotOffered(GraftageError):
    """The plugin has no handler for what is called."""


class Calls:
    """Runs methods as gRPC calls. What they raise ends the call and nothing else."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()
        self._endless: set[asyncio.Task[object]] = set()
        self._stopped = False

    def unary(self, method: Unary) -> MethodHandler:
        """A method that answers once."""

        async def handle(message: bytes, context: Context) -> bytes:
            async with self._running_in(context):
                return await method(message, _metadata(context))
            raise AssertionError("a call that failed is aborted")

        return grpc.unary_unary_rpc_method_handler(handle)

    def streaming(self, method: Streaming, *, endless: bool = False) -> MethodHandler:
        """A method that answers in pieces. It may send them from several tasks at once.

        endless: it goes on until it is told to stop.
        """

        async def handle(message: bytes, context: Context) -> None:
            turn = asyncio.Lock()

            async def send(piece: bytes) -> None:
                async with turn:
                    try:
                        await context.write(piece)
                    except grpc.aio.BaseError:
                        # The host has given the call up, and gRPC is about to cancel it: no failure of ours.
                        await asyncio.sleep(GONE_SECONDS)
                        raise

            async with self._running_in(context, endless=endless):
                await method(message, _metadata(context), send)

        return grpc.unary_stream_rpc_method_handler(handle)

    async def finish(self, seconds: float) -> None:
        """Let running calls end for so long, then end the others. Endless ones end at once."""
        self._stopped = True
        for call in self._endless:
            call.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        late = set(self._running)
        for call in late:
            call.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    @asynccontextmanager
    async def _running_in(self, context: Context, *, endless: bool = False) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None, "gRPC runs each call as a task"
        self._running.add(task)
        if endless:
            self._endless.add(task)
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except NotOffered as error:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            task.uncancel()
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, "the plugin was stopped before it had the answer"
            )
        except (Exception, SystemExit) as error:  # an exit would end the event loop, and all the plugin
            await _abort(error, context)
        finally:
            self._running.discard(task)
            self._endless.discard(task)


async def _abort(error: BaseException, context: Context) -> None:
    """End a call that failed as a whole, telling whose fault it is."""
    from graftage.protocol.v2.error_source import error_details
    from graftage.sdk.failure import CallBroken, failure_of

    if isinstance(error, CallBroken):
        failure = error.failure
    else:
        log.error("the call failed", exc_info=error)
        failure = failure_of(error)
    context.set_trailing_metadata(error_details(failure.blame.source, failure.text))
    await context.abort(grpc.StatusCode.UNKNOWN, failure.text)


def _metadata(context: Context) -> Metadata:
    return tuple((name, value) for name, value in context.invocation_metadata() or ())
