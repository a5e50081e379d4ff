"""Plugins that this host did not start: it stands beside them as it does beside its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio

from graftage.errors import SettingsError
from graftage.host.exit_status import ExitStatus, Lost
from graftage.host.launch import StartFailed
from graftage.host.launch_options import LaunchOptions
from graftage.host.link import NotReached, open_link
from graftage.host.output import PrintedOutput
from graftage.host.running_plugin import RunningPlugin
from graftage.host.standing import stand_beside, until_answering
from graftage.protocol.forwarding import Dial
from graftage.protocol.handshake import Handshake


class ForeignLife:
    """A process of somebody else's. pid: 0 when it is unknown, or of another machine."""

    def __init__(self, pid: int = 0) -> None:
        self.pid = pid
        self.exit: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self.exited = asyncio.Event()

    def end(self, why: str) -> None:
        """Take it for gone; the first reason counts."""
        if not self.exit.done():
            self.exit.set_result(Lost(why=why))
            self.exited.set()


@asynccontextmanager
async def stand_beside_foreign(
    handshake: Handshake,
    life: ForeignLife,
    *,
    plugin_id: str,
    options: LaunchOptions,
    stop: Callable[[grpc.aio.Channel], Awaitable[None]],
    logger: logging.Logger,
    secure: Callable[[Dial], Dial] | None = None,
    is_secured: bool = False,
) -> AsyncIterator[RunningPlugin]:
    """Connect to a plugin that listens, for as long as the block lasts.

    handshake: what it would print. stop: lets go of it, or ends it, within a limited time. secure: puts TLS,
    or nothing, over each connection; is_secured: whether it is TLS. A connection that stays broken for
    `options.reconnect_timeout` seconds is the end. Raises StartFailed.
    """
    where = f"plugin {plugin_id!r} at {handshake.address}"
    output = PrintedOutput(plugin_id, options, logger)
    async with AsyncExitStack() as stack:
        stack.callback(output.finish)
        try:
            link = await stack.enter_async_context(
                open_link(
                    handshake, receive_bytes=options.receive_bytes, secure=secure, is_secured=is_secured
                )
            )
            await until_answering(link, life.exit, timeout=options.connect_timeout, logger=logger)
        except (NotReached, SettingsError) as error:
            raise StartFailed(f"{where} cannot be used: {error}") from error

        async def lost(why: str) -> None:
            logger.error("%s is given up: %s", where, why, extra={"plugin_id": plugin_id})
            life.end(why)

        async def stop_it() -> None:
            await stop(link.channel)

        await stack.enter_async_context(
            stand_beside(
                link,
                printed=output.takers,
                pace=output.pace,
                patience=options.reconnect_timeout,
                lost=lost,
                stop=stop_it,
                hurry=lambda: None,
                logger=logger,
            )
        )
        yield RunningPlugin(plugin_id, life, link)
