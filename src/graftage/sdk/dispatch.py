"""One call of the host: its queries to the handlers, what they return to results."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any

from graftage.backend.query import Query as AskedQuery
from graftage.backend.query import QueryRequest, Result
from graftage.errors import PluginFault
from graftage.sdk.answer import result_of
from graftage.sdk.data_source import PluginError
from graftage.sdk.handlers import handlers_of
from graftage.sdk.instances import Instance, Instances
from graftage.sdk.log import error_text, log_fields
from graftage.sdk.model import decode, decode_object, model_of
from graftage.sdk.query import Query, TimeRange
from graftage.sdk.source import Sources
from graftage.sdk.workers import Workers

ENDPOINT = "queryData"

log = logging.getLogger(__name__)


class Dispatcher:
    """Answers calls with a data source's class, or with an object that serves them all.

    Made and used inside a running event loop. Raises PluginFault when the target cannot serve.
    """

    def __init__(self, target: object) -> None:
        self._handlers = handlers_of(target)
        self._models = {name: model_of(getattr(target, name), Query) for name in self._handlers.methods}
        self._workers = Workers()
        self._sources = Sources(target, self._workers)
        self._instances = Instances(self._sources.make, self._sources.end)

    async def close(self, *, timeout: float) -> None:
        """Close all objects, and wait at most about `timeout` seconds for that."""
        await self._instances.close(timeout=timeout)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sources.close(), timeout)

    async def answer(self, request: QueryRequest) -> tuple[Result, ...]:
        """One result per query, in the order asked. Raises nothing of the author's: a failure is the error of
        the query that failed, or of all of them when there is no object to ask."""
        asked = request.data_source
        started = time.perf_counter()
        with log_fields(pluginId=asked.type, endpoint=ENDPOINT, dsName=asked.name):
            try:
                async with self._instances.use(asked) as instance:
                    results = await self._answer_all(request, instance)
            except BaseException as error:
                if _comes_from_outside(error):
                    raise
                text = _log_failure("the data source cannot be set up", error)
                results = tuple(Result(query.ref_id, error=text) for query in request.queries)
            log.debug(
                "query answered",
                extra={
                    "queries": len(results),
                    "status": "error" if any(result.error for result in results) else "ok",
                    "duration": f"{(time.perf_counter() - started) * 1000:.1f}ms",
                },
            )
        return results

    async def _answer_all(self, request: QueryRequest, instance: Instance) -> tuple[Result, ...]:
        cancelled = Event()
        try:
            if len(request.queries) == 1:
                return (await self._answer_one(request, request.queries[0], instance, cancelled),)
            places = asyncio.Semaphore(self._handlers.concurrency)

            async def in_its_place(query: AskedQuery) -> Result:
                async with places:
                    return await self._answer_one(request, query, instance, cancelled)

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(in_its_place(query)) for query in request.queries]
            return tuple(task.result() for task in tasks)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def _answer_one(
        self, request: QueryRequest, asked: AskedQuery, instance: Instance, cancelled: Event
    ) -> Result:
        with log_fields(refId=asked.ref_id):
            try:
                return await self._ask(request, asked, instance, cancelled)
            except BaseException as error:
                if _comes_from_outside(error):
                    raise
                return Result(asked.ref_id, error=_log_failure("the query failed", error))

    async def _ask(
        self, request: QueryRequest, asked: AskedQuery, instance: Instance, cancelled: Event
    ) -> Result:
        query_type, plain = _query_type(asked)
        name = self._handlers.method_for(query_type)
        made = instance.making.result()
        model_type = self._models[name]
        query: Query[Any] = Query(  # calling the alias would try to write into a frozen object
            ref_id=asked.ref_id,
            model=plain if model_type is None else decode(asked.json, model_type, what="the query's model"),
            time_range=_time_range(request),
            settings=made.settings,
            query_type=query_type,
            interval=timedelta(milliseconds=asked.interval_ms),
            max_data_points=asked.max_data_points,
            headers=request.headers,
            _cancelled=cancelled,
        )
        handler = getattr(made.source, name)
        if inspect.iscoroutinefunction(handler):
            return result_of(asked.ref_id, await handler(query))
        returned = await self._in_thread(partial(_call_plain, handler, query), instance)
        if isinstance(returned, Result):
            return returned
        return result_of(asked.ref_id, await returned)

    async def _in_thread(self, call: Any, instance: Instance) -> Any:
        """What `call` returns in a worker thread, which keeps the object open if this task is cancelled."""
        future = self._workers.submit(call)
        self._instances.hold(instance)
        future.add_done_callback(lambda _: self._instances.release(instance))
        return await asyncio.shield(future)


def _call_plain(handler: Any, query: Query[Any]) -> Any:
    """The result of a plain handler, written in its own thread; an awaitable if it returned one after all."""
    if query.cancelled:  # while it waited for a thread
        return Result(query.ref_id)
    returned = handler(query)
    return returned if inspect.isawaitable(returned) else result_of(query.ref_id, returned)


def _query_type(asked: AskedQuery) -> tuple[str, dict[str, Any]]:
    """The query's type, empty when it has none, and its whole model as a dict."""
    model = decode_object(asked.json, what="the query's model")
    query_type = model.get("queryType")
    if query_type is not None and not isinstance(query_type, str):
        raise PluginFault(f"the query's model has the queryType {json.dumps(query_type)}; it must be a text")
    return query_type or "", model


def _time_range(request: QueryRequest) -> TimeRange:
    asked = request.time_range
    return TimeRange(asked.from_ms, asked.to_ms, asked.from_raw, asked.to_raw)


def _comes_from_outside(error: BaseException) -> bool:
    """Is this the call itself being cancelled? All else is a failure of the author's code, even its own
    cancelled tasks and a `sys.exit()`, and fails no more than what was asked of it."""
    task = asyncio.current_task()
    cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
    return cancelled or isinstance(error, GeneratorExit)


def _log_failure(message: str, error: BaseException) -> str:
    """Log the error; the answer is the text for the user. One that its author meant for the user says all
    there is to say; others are logged with their traceback."""
    if isinstance(error, PluginError | PluginFault) and error.__cause__ is None:
        log.warning("%s: %s", message, error)
    else:
        log.error(message, exc_info=error)
    return "cancelled inside the plugin" if isinstance(error, asyncio.CancelledError) else error_text(error)
