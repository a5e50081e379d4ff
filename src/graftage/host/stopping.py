"""Ending a plugin that runs: ask it, then tell it, then kill it, each for a limited time.

Source: hashicorp/go-plugin, client.go (`Kill`), which asks without a limit and then kills the one process
only.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

import grpc.aio

from graftage.host.connection import ask_to_shut_down
from graftage.host.exit_status import ExitStatus
from graftage.host.process import KILL_SECONDS


class Stoppable(Protocol):
    """A process that can be ended. told_to_end: its end is no surprise from then on."""

    told_to_end: bool

    @property
    def pid(self) -> int: ...
    @property
    def exit(self) -> asyncio.Future[ExitStatus]: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    async def gone(self, *, timeout: float) -> None: ...


async def stop(
    process: Stoppable,
    channel: grpc.aio.Channel,
    *,
    grace: float,
    term_grace: float,
    logger: logging.Logger,
) -> None:
    """Return when nothing is left of the plugin: `grace` + `term_grace` + `KILL_SECONDS` later at worst."""
    process.told_to_end = True
    if await _ends_when_asked(process, channel, grace) or await terminate(process, term_grace):
        logger.debug("the plugin ended in good order")
    elif not process.exit.done():
        logger.warning("process %d ended neither when asked to nor on SIGTERM; it is killed", process.pid)
    process.kill()
    await process.gone(timeout=KILL_SECONDS)


async def terminate(process: Stoppable, term_grace: float) -> bool:
    """Tell the plugin to end by SIGTERM; has it ended within the time?"""
    if not process.exit.done():
        process.terminate()
        await asyncio.wait({process.exit}, timeout=term_grace)
    return process.exit.done()


async def _ends_when_asked(process: Stoppable, channel: grpc.aio.Channel, grace: float) -> bool:
    """Ask the plugin to end; has it done so within the time?"""
    loop = asyncio.get_running_loop()
    until = loop.time() + grace
    asked = asyncio.ensure_future(ask_to_shut_down(channel, timeout=grace))
    either: set[asyncio.Future[Any]] = {asked, process.exit}
    try:
        await asyncio.wait(either, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        if asked.done() and asked.result():
            await asyncio.wait({process.exit}, timeout=max(0.0, until - loop.time()))
    finally:
        asked.cancel()
    return process.exit.done()
