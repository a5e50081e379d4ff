"""Beside a plugin that listens: until it answers, then as long as it is there. Needs no process of ours.

Source: hashicorp/go-plugin, grpc_client.go (`newGRPCClient`), which connects without a limit and does not ask
whether anybody answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from graftage.host import connection
from graftage.host.allowance import Allowance
from graftage.host.exit_status import ExitStatus
from graftage.host.last_steps import to_the_end
from graftage.host.link import Link, NotReached

# The end of a process, of its output and of its connection are known within moments of each other.
SETTLE_SECONDS = 0.25
_PRINTED_SECONDS = 1.0  # to read what is left of a stream whose other end is gone


async def until_answering(
    link: Link, exit_: asyncio.Future[ExitStatus], *, timeout: float, logger: logging.Logger
) -> None:
    """Wait until the plugin answers calls. exit_: done when its process ends. Raises NotReached."""
    where = f"{link.handshake.network} {link.handshake.address}"
    until = asyncio.get_running_loop().time() + timeout
    ready = asyncio.ensure_future(link.channel.channel_ready())
    refused = asyncio.ensure_future(link.refused())
    try:
        await first_of(ready, refused, exit_, timeout=timeout)
        if refused.done():
            await first_of(exit_, timeout=SETTLE_SECONDS)
        if not ready.done() and not exit_.done():
            raise NotReached(f"the host cannot connect to {where}{_why(link, refused, timeout)}")
    finally:
        ready.cancel()
        refused.cancel()
    try:
        left = max(until - asyncio.get_running_loop().time(), 0.1)
        if not exit_.done() and not await connection.check_answers(link.channel, timeout=left):
            logger.warning("the plugin answers, but does not say that it is serving")
    except connection.NoAnswer as error:
        await first_of(exit_, timeout=SETTLE_SECONDS)
        if not exit_.done():
            raise NotReached(
                f"it accepts connections on {where} but answers no call: {error}; "
                "its server does not run, or hangs"
            ) from error
    if exit_.done():
        raise NotReached(f"it exited after the handshake with {exit_.result()}")


def _why(link: Link, refused: asyncio.Future[str], timeout: float) -> str:
    if refused.done():
        return f": {refused.result()}"
    gone = connection.is_gone(link.handshake)
    why = "there is no such socket" if gone else "nothing there answers as a gRPC server does"
    if link.is_secured and not gone:
        why += "; TLS was asked for: is the plugin set up for it?"
    elif link.handshake.network == "tcp":
        why += "; TLS was not asked for: does the plugin want it?"
    return f" within {timeout:.1f} s: {why}"


@asynccontextmanager
async def stand_beside(
    link: Link,
    *,
    printed: Mapping[int, Callable[[bytes, bool], None]],
    pace: Allowance,
    patience: float,
    lost: Callable[[str], Awaitable[None]],
    stop: Callable[[], Coroutine[Any, Any, None]],
    hurry: Callable[[], None],
    logger: logging.Logger,
) -> AsyncIterator[None]:
    """Keep the standing streams of a plugin that answers, and watch the link. In the end, stop the plugin.

    printed: takes what it prints over gRPC, by channel; pace: how fast. patience: seconds that a broken
    connection may stay so; lost: called once, with the reason, when it did. stop: ends the plugin, or lets go
    of it, within a limited time; hurry: shortens that.
    """
    broker = asyncio.ensure_future(connection.hold_broker(link.channel, link.broker, logger))
    copying = asyncio.ensure_future(connection.copy_output(link.channel, printed, pace, logger))

    async def watch() -> None:
        await lost(await connection.watch(link, patience=patience))

    watching = asyncio.ensure_future(watch())

    async def end() -> None:
        for task in (watching, broker):
            task.cancel()
        await stop()
        # What it printed last may still be on its way.
        await first_of(copying, timeout=_PRINTED_SECONDS)
        copying.cancel()
        results = await asyncio.gather(watching, broker, copying, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                logger.error("a task beside the plugin broke", exc_info=error)

    try:
        yield
    finally:
        await to_the_end(end(), hurry=hurry)


async def first_of(*futures: asyncio.Future[Any], timeout: float) -> None:
    """Wait until one of them is done, for a limited time; none is cancelled."""
    await asyncio.wait(futures, timeout=max(0.0, timeout), return_when=asyncio.FIRST_COMPLETED)
