"""What an author's iterator gives, plain or async, handed on piece by piece while it makes more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeAlias, TypeGuard

from graftage.sdk.call import Call
from graftage.sdk.instances import Instance
from graftage.sdk.workers import Workers

Take: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]


def comes_in_pieces(returned: object) -> TypeGuard[AsyncIterable[Any] | Iterator[Any]]:
    """Is it an iterator? What can be iterated over several times, such as a list, is a value of its own."""
    return hasattr(type(returned), "__aiter__") or isinstance(returned, Iterator)


async def hand_on(
    call: Call,
    instance: Instance,
    pieces: AsyncIterable[Any] | Iterable[Any],
    take: Take,
    *,
    workers: Workers | None = None,
) -> None:
    """Await `take` with each piece. Whatever happens, the iterator is closed, so that its `finally` runs.

    A plain iterator gives its pieces in one worker thread, of `workers` if they are not None; when the call
    is cancelled it ends after the piece that it is making.
    """
    if not isinstance(pieces, AsyncIterable):
        loop = asyncio.get_running_loop()
        await call.in_thread(instance, lambda: _hand_on_plain(call, pieces, take, loop), workers=workers)
        return
    async with AsyncExitStack() as stack:
        if hasattr(pieces, "aclose"):
            stack.push_async_callback(pieces.aclose)
        async for piece in pieces:
            await take(piece)


def _hand_on_plain(call: Call, pieces: Iterable[Any], take: Take, loop: asyncio.AbstractEventLoop) -> None:
    with ExitStack() as stack:
        if hasattr(pieces, "close"):
            stack.callback(pieces.close)
        for piece in pieces:
            if call.cancelled.is_set():
                return
            asyncio.run_coroutine_threadsafe(take(piece), loop).result()
