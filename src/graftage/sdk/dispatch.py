"""One call of the host: its queries to the handlers, what they return to results or pieces of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from graftage.backend.query import Chunk, QueryRequest, Result
from graftage.backend.query import Query as AskedQuery
from graftage.errors import PluginFault
from graftage.sdk.asking import Asking
from graftage.sdk.call import comes_from_outside
from graftage.sdk.delivery import Delivery, OneResult, Pieces, writing
from graftage.sdk.handlers import handlers_of
from graftage.sdk.instances import Instance
from graftage.sdk.log import log_fields
from graftage.sdk.model import model_of
from graftage.sdk.query import Queries, Query
from graftage.sdk.question import Question, query_type_of
from graftage.sdk.runtime import Runtime
from graftage.sdk.tracing import Metadata

ENDPOINT = "queryData"
ENDPOINT_IN_PIECES = "queryChunkedData"

log = logging.getLogger(__name__)


class Dispatcher:
    """Answers queries with the handlers of a data source. Raises PluginFault when it has none to serve."""

    def __init__(self, runtime: Runtime) -> None:
        target = runtime.target
        self._runtime = runtime
        self._handlers = handlers_of(target)
        self._models = {name: model_of(getattr(target, name), Query) for name in self._handlers.methods}
        together = self._handlers.all_at_once
        self._model_together = model_of(getattr(target, together), Queries) if together else None

    async def answer(
        self, request: QueryRequest, metadata: Metadata = (), *, version: int
    ) -> tuple[Result, ...]:
        """One result per query, in the order asked. Raises nothing of the author's: a failure is the error of
        the query that failed, or of all of them when there is no object to ask.

        version: of the protocol, which decides how the results hold their data.
        """
        async with self._runtime.call(ENDPOINT, request.context, metadata, headers=request.headers) as call:
            grafana_7 = call.context.frames_of_grafana_7
            write = None if version == 1 else writing(request.frame_format, for_grafana_7=grafana_7)
            results = [OneResult(asked.ref_id, write) for asked in request.queries]
            await self._answer_all(Question(call, request, _send_nothing), results)
            return tuple(delivery.result for delivery in results)

    async def answer_in_pieces(
        self, request: QueryRequest, send: Callable[[Chunk], Awaitable[None]], metadata: Metadata = ()
    ) -> None:
        """Send the answers as they come, those of all queries mixed. Raises nothing of the author's."""

        async def emit(chunks: Sequence[Chunk]) -> None:
            for chunk in chunks:
                await send(chunk)

        async with self._runtime.call(
            ENDPOINT_IN_PIECES, request.context, metadata, headers=request.headers
        ) as call:
            write = writing(request.frame_format, for_grafana_7=call.context.frames_of_grafana_7)
            deliveries = [Pieces(asked.ref_id, write) for asked in request.queries]
            await self._answer_all(Question(call, request, emit), deliveries)

    async def _answer_all(self, question: Question, deliveries: Sequence[Delivery]) -> None:
        call = question.call
        try:
            async with call.instance() as instance:
                if self._handlers.all_at_once is not None:
                    await self._answer_together(question, instance, self._handlers.all_at_once, deliveries)
                else:
                    await self._answer_each(question, instance, deliveries)
        except BaseException as error:
            if comes_from_outside(error):
                raise
            failure = call.failed("the queries cannot be answered", error)
            for delivery in deliveries:
                await question.emit(delivery.fail(failure))

    async def _answer_each(
        self, question: Question, instance: Instance, deliveries: Sequence[Delivery]
    ) -> None:
        asked = list(zip(question.request.queries, deliveries, strict=True))
        if len(asked) == 1:
            await self._answer_one(question, instance, *asked[0])
            return
        places = asyncio.Semaphore(self._handlers.concurrency)

        async def in_its_place(query: AskedQuery, delivery: Delivery) -> None:
            async with places:
                await self._answer_one(question, instance, query, delivery)

        async with asyncio.TaskGroup() as group:
            for query, delivery in asked:
                group.create_task(in_its_place(query, delivery))

    async def _answer_one(
        self, question: Question, instance: Instance, asked: AskedQuery, delivery: Delivery
    ) -> None:
        with log_fields(refId=asked.ref_id):
            try:
                query_type = query_type_of(asked)
                name = self._handlers.method_for(query_type)
                query = question.query(asked, query_type, instance, self._models[name])
                await Asking(question, instance, delivery).ask(getattr(instance.source, name), query)
            except BaseException as error:
                if comes_from_outside(error):
                    raise
                failure = question.call.failed("the query failed", error)
                await question.emit(delivery.fail(failure))

    async def _answer_together(
        self, question: Question, instance: Instance, name: str, deliveries: Sequence[Delivery]
    ) -> None:
        call, request = question.call, question.request
        understood: list[Query[Any]] = []
        waiting: list[tuple[str, Delivery]] = []
        for asked, delivery in zip(request.queries, deliveries, strict=True):
            try:
                understood.append(question.query(asked, query_type_of(asked), instance, self._model_together))
                waiting.append((asked.ref_id, delivery))
            except PluginFault as error:
                await question.emit(delivery.fail(call.failed("the query failed", error)))
        together: Queries[Any] = Queries(
            tuple(understood), instance.settings, question.headers, call.context, call.cancelled
        )
        returned = await call.run(instance, getattr(instance.source, name), together)
        if not isinstance(returned, Mapping):
            raise PluginFault(
                f"{name} returned {type(returned).__name__}; expected a dict with an answer for each refId"
            )
        if unasked := sorted(str(ref_id) for ref_id in returned.keys() - dict(waiting).keys()):
            log.warning("%s answered what nobody asked: %s", name, ", ".join(unasked))
        for ref_id, delivery in waiting:
            await self._deliver_part(question, instance, returned.get(ref_id), ref_id, delivery)

    async def _deliver_part(
        self, question: Question, instance: Instance, part: object, ref_id: str, delivery: Delivery
    ) -> None:
        """One value of the dict that `query_all` returned; exceptions in it are errors."""
        with log_fields(refId=ref_id):
            try:
                await question.emit(await question.call.in_thread(instance, lambda: _take(part, delivery)))
            except BaseException as error:
                if comes_from_outside(error):
                    raise
                await question.emit(delivery.fail(question.call.failed("the query failed", error)))


def _take(part: object, delivery: Delivery) -> Sequence[Chunk]:
    if isinstance(part, BaseException):
        raise part
    return delivery.whole(part)


async def _send_nothing(chunks: Sequence[Chunk]) -> None:
    assert not chunks, "what is gathered into one result is not sent in pieces"
