"""How a handler is asked, of whatever kind it is, and what it returns or yields is handed on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from typing import Any

from graftage.backend.query import Chunk
from graftage.sdk.delivery import Delivery
from graftage.sdk.instances import Instance
from graftage.sdk.query import Query
from graftage.sdk.question import Question


class Asking:
    """One query on its way to its handler, and the answer on its way back."""

    def __init__(self, question: Question, instance: Instance, delivery: Delivery) -> None:
        self._question = question
        self._instance = instance
        self._delivery = delivery
        self._loop = asyncio.get_running_loop()

    async def ask(self, handler: Callable[..., Any], query: Query[Any]) -> None:
        if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
            await self._deliver(handler(query))
        else:
            left = await self._in_thread(lambda: self._call_plain(handler, query))
            if left is not None:
                await self._deliver(left)

    async def _deliver(self, returned: Any) -> None:
        """What came from a handler inside the event loop."""
        if inspect.isawaitable(returned):
            returned = await returned
        if inspect.isgenerator(returned):
            await self._in_thread(lambda: self._deliver_plain(returned))
        elif inspect.isasyncgen(returned):
            async with aclosing(returned):
                async for piece in returned:
                    await self._question.emit(self._delivery.piece(piece))
            await self._question.emit(self._delivery.end())
        else:
            await self._question.emit(self._delivery.whole(returned))

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await self._question.call.in_thread(self._instance, work)

    def _call_plain(self, handler: Callable[..., Any], query: Query[Any]) -> Any:
        """Ask a plain function, in its own thread; what it returned if the event loop must go on with it."""
        if query.cancelled:  # while it waited for a thread
            return None
        returned = handler(query)
        if inspect.isawaitable(returned) or inspect.isasyncgen(returned):
            return returned
        self._deliver_plain(returned)
        return None

    def _deliver_plain(self, returned: Any) -> None:
        if not inspect.isgenerator(returned):
            self._emit_from_thread(self._delivery.whole(returned))
            return
        with closing(returned):
            for piece in returned:
                if self._question.call.cancelled.is_set():
                    return
                self._emit_from_thread(self._delivery.piece(piece))
        self._emit_from_thread(self._delivery.end())

    def _emit_from_thread(self, chunks: Sequence[Chunk]) -> None:
        if chunks:
            asyncio.run_coroutine_threadsafe(self._question.emit(chunks), self._loop).result()
