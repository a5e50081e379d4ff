"""Calls to one running plugin as gRPC knows them, bytes for bytes, and what their failures mean.

Source of the meanings: Grafana, pkg/plugins/backendplugin/grpcplugin/client_v2.go.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from graftage.errors import (
    CallFailed,
    GraftageError,
    NotImplementedByPlugin,
    PluginTimeout,
    PluginUnavailable,
)
from graftage.host.connection import check_answers
from graftage.host.exit_status import ExitStatus
from graftage.protocol.v2.error_source import read_error_source

Metadata = Sequence[tuple[str, str]]

# A plugin sees the same deadline, and may give up with words of its own just before we do.
_GIVEN_UP = frozenset({grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED})
_DEADLINE_SECONDS = 0.02
_SETTLE_SECONDS = 0.25  # a broken connection is known a moment before the process's end is


class Calls:
    """Makes calls over one channel. Owns no process, retries nothing.

    exit_: how the plugin's process ended, once it has. version: the application protocol it speaks.
    why: makes the reason to tell out of gRPC's for a broken connection.

    All calls raise PluginUnavailable if the process is gone, PluginTimeout if it stays silent,
    NotImplementedByPlugin if it lacks the service or the method, CallFailed if it fails the call.
    """

    def __init__(
        self,
        plugin_id: str,
        channel: grpc.aio.Channel,
        exit_: asyncio.Future[ExitStatus],
        version: int,
        *,
        why: Callable[[str], str] = str,
    ) -> None:
        self._plugin_id = plugin_id
        self._why = why
        self._version = version
        self._channel = channel
        self._exit = exit_
        # Made once for each method: that takes longer than a small call does.
        self._unary: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._streams: dict[str, grpc.aio.UnaryStreamMultiCallable[bytes, bytes]] = {}

    async def unary(self, method: str, message: bytes, *, timeout: float, metadata: Metadata = ()) -> bytes:
        """The one answer to a message, within `timeout` seconds."""
        self._check_is_there()
        if (call := self._unary.get(method)) is None:
            call = self._unary[method] = self._channel.unary_unary(method, None, None)
        deadline = time.monotonic() + timeout
        try:
            return await call(message, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error, method, timeout, deadline) from error
        except asyncio.CancelledError:
            self._check_was_cancelled()
            raise

    async def stream(
        self, method: str, message: bytes, *, timeout: float | None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        """The answers to a message, as they come; all of them within `timeout` seconds, None for no limit.

        Whoever has enough before the end closes the generator, or is cancelled: then the plugin's handler is
        cancelled, too.
        """
        self._check_is_there()
        if (open_stream := self._streams.get(method)) is None:
            open_stream = self._streams[method] = self._channel.unary_stream(method, None, None)
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        call = open_stream(message, timeout=timeout, metadata=metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error, method, timeout, deadline) from error
        except asyncio.CancelledError:
            self._check_was_cancelled()
            raise
        finally:
            call.cancel()

    async def _meaning(
        self, error: grpc.aio.AioRpcError, method: str, timeout: float | None, deadline: float
    ) -> GraftageError:
        status, details = error.code(), error.details() or ""
        match status:
            case grpc.StatusCode.DEADLINE_EXCEEDED if timeout is not None:
                return self._too_late(timeout)
            case _ if status in _GIVEN_UP and time.monotonic() > deadline - _DEADLINE_SECONDS:
                return self._too_late(timeout or 0.0)
            case grpc.StatusCode.UNAVAILABLE if await self._is_out_of_reach():
                return self._unavailable(self._why(details))
            case grpc.StatusCode.UNIMPLEMENTED:
                name = method.rpartition("/")[2]
                return NotImplementedByPlugin(
                    f"plugin {self._plugin_id!r} does not implement {name}: {details}", version=self._version
                )
            case _:
                if status is grpc.StatusCode.CANCELLED and not details:
                    details = f"plugin {self._plugin_id!r} cancelled the call without saying why"
                # Pairs, of which grpc's stubs know the names only.
                trailing: Any = error.trailing_metadata()
                return CallFailed(status.name, details, error_source=read_error_source(trailing))

    async def _is_out_of_reach(self) -> bool:
        """Is this UNAVAILABLE about the connection, and not a word of the plugin's own?"""
        # A task of its own: the channel may be closed meanwhile, which cancels who waits for an answer.
        answers = asyncio.ensure_future(check_answers(self._channel, timeout=_SETTLE_SECONDS))
        try:
            either: set[asyncio.Future[Any]] = {answers, self._exit}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if answers.done() and not answers.cancelled() and answers.exception() is None:
                return False
            await asyncio.wait({self._exit}, timeout=_SETTLE_SECONDS)
            return True
        finally:
            answers.cancel()

    def _check_is_there(self) -> None:
        if self._exit.done():
            raise self._unavailable()

    def _check_was_cancelled(self) -> None:
        """Raise PluginUnavailable unless somebody cancelled the caller: then, the channel was closed."""
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise self._unavailable() from None

    def _too_late(self, timeout: float) -> PluginTimeout:
        return PluginTimeout(
            f"plugin {self._plugin_id!r} did not answer within {timeout:g} s; it is busy or hangs"
        )

    def _unavailable(self, details: str = "") -> PluginUnavailable:
        why = f"it exited with {self._exit.result()}" if self._exit.done() else details or "it is stopped"
        return PluginUnavailable(f"plugin {self._plugin_id!r} is not there: {why}")
