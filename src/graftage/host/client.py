"""Calls to one running plugin."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio

from graftage.backend.query import QueryRequest, Result
from graftage.errors import CallFailed, PluginTimeout, PluginUnavailable, WireError
from graftage.host.connection import check_answers
from graftage.host.exit_status import ExitStatus
from graftage.protocol import messages, rpc
from graftage.protocol.v1.request import encode_request
from graftage.protocol.v1.response import decode_response

# Decoding so much takes a few tenths of a millisecond; beyond that a thread is worth its cost.
_DECODED_INLINE = 256 * 1024
# A plugin sees the same deadline, and may give up with words of its own just before we do.
_GIVEN_UP = frozenset({grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED})
_DEADLINE_SECONDS = 0.02
_SETTLE_SECONDS = 0.25  # a broken connection is known a moment before the process's end is


class PluginClient:
    """Typed calls over one channel. Owns no process, retries nothing.

    exit_: how the plugin's process ended, once it has.
    """

    def __init__(self, plugin_id: str, channel: grpc.aio.Channel, exit_: asyncio.Future[ExitStatus]) -> None:
        self._plugin_id = plugin_id
        self._channel = channel
        self._exit = exit_
        self._query = channel.unary_unary(rpc.QUERY_V1, None, None)
        self._check = channel.unary_unary(rpc.HEALTH_CHECK, None, None)

    async def query(self, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
        """Run the queries of `request` within `timeout` seconds; one result for each `ref_id` answered.

        Raises PluginUnavailable if the process is gone, PluginTimeout if it stays silent, CallFailed if the
        call as a whole failed, WireError if the answer is none. A query that failed alone is a result.
        """
        answer = await self._call(self._query, encode_request(request), timeout)
        try:
            if len(answer) <= _DECODED_INLINE:
                return decode_response(answer)
            return await asyncio.to_thread(decode_response, answer)
        except WireError as error:
            raise WireError(
                f"plugin {self._plugin_id!r} sent an answer that cannot be read: {error}"
            ) from error

    async def ping(self, timeout: float = 5.0) -> None:
        """Ask whether the plugin serves. Raises as `query`, and PluginUnavailable if it says no."""
        answer = await self._call(self._check, messages.encode_health_check(rpc.HEALTH_NAME), timeout)
        if not messages.is_serving(answer):
            raise PluginUnavailable(
                f"plugin {self._plugin_id!r} says that it is not serving; see its log for why"
            )

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], message: bytes, timeout: float
    ) -> bytes:
        if self._exit.done():
            raise self._unavailable()
        deadline = time.monotonic() + timeout
        try:
            return await method(message, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            status, details = error.code(), error.details() or ""
            if status is grpc.StatusCode.DEADLINE_EXCEEDED or (
                status in _GIVEN_UP and time.monotonic() > deadline - _DEADLINE_SECONDS
            ):
                raise PluginTimeout(
                    f"plugin {self._plugin_id!r} did not answer within {timeout:g} s; it is busy or hangs"
                ) from error
            if status is grpc.StatusCode.UNAVAILABLE and await self._is_out_of_reach():
                raise self._unavailable(details) from error
            raise CallFailed(status.name, details) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._unavailable() from None  # nobody cancelled the caller: the channel was closed

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

    def _unavailable(self, details: str = "") -> PluginUnavailable:
        why = f"it exited with {self._exit.result()}" if self._exit.done() else details or "it is stopped"
        return PluginUnavailable(f"plugin {self._plugin_id!r} is not there: {why}")
