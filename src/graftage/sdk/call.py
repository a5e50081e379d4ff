"""One call of the host while it is being answered, whatever it asks for."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

from graftage.backend.context import PluginContext
from graftage.sdk.context import RequestContext
from graftage.sdk.failure import PLUGIN, Blame, Failure, failure_of, is_meant_for_users
from graftage.sdk.instances import Instance, Instances
from graftage.sdk.workers import Workers

log = logging.getLogger(__name__)


class Call:
    """What a service needs to answer one call: the author's object, threads, and words for failures.

    asked: whom the call is about, as the host said it. context: the same as an author sees it. cancelled: set
    when the host gives the call up, for threads to look at. status, source: how the call ended so far: `ok`,
    `error` or `cancelled`, and whose fault that is.
    """

    def __init__(
        self, asked: PluginContext, context: RequestContext, instances: Instances, workers: Workers
    ) -> None:
        self.asked = asked
        self.context = context
        self.cancelled = Event()
        self.status, self.source = "ok", PLUGIN
        self._instances = instances
        self._workers = workers

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that nobody shall see."""
        settings = self.asked.data_source or self.asked.app
        return tuple(settings.secrets.values()) if settings else ()

    @asynccontextmanager
    async def instance(self) -> AsyncIterator[Instance]:
        """The author's object for this call (`.source`), and what it was made from (`.settings`). It stays
        open inside the block. Raises what making it raises."""
        async with self._instances.use(self.asked, tenant=self.context.tenant) as instance:
            yield instance

    async def run(self, instance: Instance | None, handler: Callable[..., Any], *arguments: object) -> Any:
        """What a handler returns: one that is `async def` runs here, a plain one in a worker thread. One that
        yields returns a generator, and none of it runs yet."""
        if inspect.iscoroutinefunction(handler):
            return await handler(*arguments)
        if inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler):
            return handler(*arguments)
        returned = await self.in_thread(instance, lambda: handler(*arguments))
        return await returned if inspect.isawaitable(returned) else returned

    async def in_thread(
        self, instance: Instance | None, work: Callable[[], Any], *, workers: Workers | None = None
    ) -> Any:
        """What `work` returns in a worker thread, which keeps the object open if this task is cancelled.

        instance: None where no object is asked. workers: other threads than those of all handlers, for what
        takes very long.
        """
        future = (workers or self._workers).submit(work)
        if instance is not None:
            self._instances.hold(instance)
            future.add_done_callback(lambda _: self._instances.release(instance))
        return await asyncio.shield(future)

    def failed(self, what: str, error: BaseException) -> Failure:
        """Log the error and count the call as failed; the answer is what the user may see of it.

        One whose text is meant for the user says all there is to say; others are logged with their traceback.
        """
        failure = self.describe(error)
        if is_meant_for_users(error) and error.__cause__ is None:
            log.warning("%s: %s", what, failure.text)
        else:
            log.error(what, exc_info=error)
        self.blame(failure.blame)
        return failure

    def describe(self, error: BaseException) -> Failure:
        """What the user may see of the error."""
        return failure_of(error, secrets=self.secrets, hiding=self.context.config.hiding_error)

    def blame(self, blame: Blame) -> None:
        """Count the call as failed. What is once the plugin's fault stays so."""
        self.source = PLUGIN if self.status == "error" and self.source == PLUGIN else blame.source
        self.status = "error"


def comes_from_outside(error: BaseException) -> bool:
    """Is this the call itself being cancelled? All else is a failure of the author's code, even its own
    cancelled tasks and a `sys.exit()`, and fails no more than what was asked of it."""
    task = asyncio.current_task()
    cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
    return cancelled or isinstance(error, GeneratorExit)
