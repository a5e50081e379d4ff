"""Lets a plugin ask the host's other data sources, on behalf of whoever asked the plugin.

With each call a plugin of version 2 gets a token. It stands for the user, the organisation and the data
sources through which the question came, and is forgotten when the call ends. The plugin gives it back with
its own question, over a connection of the broker; docs/protocol.md has the whole of it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

import grpc
import grpc.aio

from graftage.backend.context import PluginContext, User
from graftage.backend.frames import frames_of
from graftage.backend.host_query import HostQueryRequest
from graftage.backend.query import Query, Result, TimeRange
from graftage.data.arrow.writer import write_arrow
from graftage.errors import (
    ERROR_CHARACTERS,
    BadRequest,
    CallFailed,
    GraftageError,
    NotFound,
    NotImplementedByPlugin,
    PluginTimeout,
    PluginUnavailable,
    WireError,
    shortened,
)
from graftage.host.calls import Metadata
from graftage.protocol import rpc
from graftage.protocol.broker import Broker, BrokerFailed
from graftage.protocol.host_query import decode_host_query
from graftage.protocol.v2.data import encode_query_response
from graftage.protocol.v2.error_source import error_details

MOST_SOURCES = 8  # that one question may go through: deeper is a mistake, and each holds a call of the next
MOST_QUESTIONS = 8  # of one call at a time; each holds a call to another plugin, and its answer
QUESTION_BYTES = 16 * 1024 * 1024  # the largest message taken, which is what plugins take by default

_QUOTED_CHARACTERS = 100  # of a uid that a plugin asks for

_TOKEN_BYTES = 24

_STATUS: dict[type[GraftageError], grpc.StatusCode] = {
    BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    WireError: grpc.StatusCode.INTERNAL,
    NotFound: grpc.StatusCode.NOT_FOUND,
    PluginTimeout: grpc.StatusCode.DEADLINE_EXCEEDED,
    PluginUnavailable: grpc.StatusCode.UNAVAILABLE,
    NotImplementedByPlugin: grpc.StatusCode.UNIMPLEMENTED,
}

log = logging.getLogger(__name__)


class AskOther(Protocol):
    """Asks a data source on behalf of a user, who must be allowed to: that is for this function to see to.

    user: None when nobody asked, as for alert rules. chain: the uids of the data sources through which the
    question came, oldest first; to be handed on with the calls that it leads to. Raises GraftageError.
    """

    async def __call__(
        self,
        uid: str,
        org_id: int,
        user: User | None,
        queries: tuple[Query, ...],
        time_range: TimeRange,
        chain: tuple[str, ...],
    ) -> tuple[Result, ...]: ...


@dataclass(slots=True)
class _Asker:
    """Who is behind a token, and through which data sources the question came.

    in_progress: the questions that are not answered yet.
    """

    user: User | None
    org_id: int
    chain: tuple[str, ...]
    in_progress: int = 0


class HostQueryService:
    """The service, for all plugins of a host, and the tokens of the calls that are in progress."""

    def __init__(self, ask: AskOther) -> None:
        self._ask = ask
        self._askers: dict[str, _Asker] = {}
        self._numbers: dict[Broker, int] = {}

    def services(self) -> Sequence[grpc.GenericRpcHandler[bytes, bytes]]:
        query = grpc.unary_unary_rpc_method_handler(self._query)
        return (grpc.method_handlers_generic_handler(rpc.HOST_QUERY, {"Query": query}),)

    @asynccontextmanager
    async def offered(self, broker: Broker) -> AsyncIterator[None]:
        """Offer the service to the plugin at the other end of the broker, for as long as the block lasts.

        That it cannot be offered is logged: the plugin can do without.
        """
        number = broker.next_id()
        async with AsyncExitStack() as stack:
            try:
                accepted = broker.accept(number, self.services(), receive_bytes=QUESTION_BYTES)
                await stack.enter_async_context(accepted)
                self._numbers[broker] = number
                stack.callback(self._numbers.pop, broker)
            except (BrokerFailed, OSError) as error:
                log.warning("a plugin cannot ask other data sources: %s", error)
            yield

    @contextmanager
    def on_behalf(
        self, broker: Broker, context: PluginContext, chain: tuple[str, ...] = ()
    ) -> Iterator[Metadata]:
        """Metadata for a call with this context: the plugin may ask on its behalf until the block ends.

        chain: the uids of the data sources through which the call came.
        """
        number = self._numbers.get(broker)
        if number is None:
            yield ()
            return
        uid = context.data_source.uid if context.data_source else ""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._askers[token] = _Asker(context.user, context.org_id, (*chain, uid) if uid else chain)
        try:
            yield ((rpc.HOST_QUERY_KEY, f"{number}:{token}"),)
        finally:
            del self._askers[token]

    async def _query(self, message: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            request = decode_host_query(message)
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        asker = self._askers.get(request.token)
        if asker is None:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "the token belongs to no call in progress; ask before the call that brought it ends",
            )
        if problem := _problem(request, asker.chain):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)
        if asker.in_progress >= MOST_QUESTIONS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{MOST_QUESTIONS} questions of this call are in progress, and no more may be at once; ask "
                "the next when one of them is answered",
            )
        asker.in_progress += 1
        try:
            return await self._answer(request, asker)
        except GraftageError as error:
            await _abort(error, context)
        finally:
            asker.in_progress -= 1

    async def _answer(self, request: HostQueryRequest, asker: _Asker) -> bytes:
        """Raises GraftageError."""
        results = await self._ask(
            request.uid, asker.org_id, asker.user, request.queries, request.time_range, asker.chain
        )
        if any(result.arrow is None for result in results):  # of version 1, maybe many points to convert
            results = await asyncio.to_thread(lambda: tuple(map(_with_arrow, results)))
        return encode_query_response(results)


def _problem(request: HostQueryRequest, chain: tuple[str, ...]) -> str:
    """Why a question cannot be asked where it comes from; empty if it can."""
    way = " -> ".join((*chain, shortened(request.uid, _QUOTED_CHARACTERS)))
    if request.uid in chain:
        return f"data source {request.uid!r} would ask itself: {way}; change the query of one of them"
    if len(chain) >= MOST_SOURCES:
        return f"a question may go through {MOST_SOURCES} data sources and not further: {way}"
    return ""


def _with_arrow(result: Result) -> Result:
    """The result in the form of version 2. What a plugin of version 1 sent is converted.

    If no frame can hold that, it is the error of this result alone.
    """
    if result.arrow is not None:
        return result
    try:
        arrow = tuple(write_arrow(frame) for frame in frames_of(result))
    except (WireError, ValueError) as error:
        complaint = f"the plugin sent what no frame can hold: {error}"
        return Result(result.ref_id, complaint, arrow=(), status=500, error_source="plugin")
    return replace(result, series=(), tables=(), arrow=arrow)


async def _abort(error: GraftageError, context: grpc.aio.ServicerContext[bytes, bytes]) -> NoReturn:
    text = shortened(str(error), ERROR_CHARACTERS)
    if isinstance(error, CallFailed):
        code: grpc.StatusCode = grpc.StatusCode[error.status]
        details = error_details(error.error_source, text, code=code.value[0])
        await context.abort(code, text, details)
    kind = next((kind for kind in type(error).__mro__ if kind in _STATUS), None)
    await context.abort(_STATUS[kind] if kind else grpc.StatusCode.UNKNOWN, text)
