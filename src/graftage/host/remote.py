"""Plugins that run elsewhere: in another container, on another machine. The host only connects to them.

They are kept connected as local ones are kept running: with the same states and the same back-off. Whether
such a plugin is there is asked with gRPC's health check from time to time; pings of HTTP/2 are not sent,
since servers in Go hang up on whoever sends more of them than they like.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio

from graftage.host.connection import NoAnswer, check_answers
from graftage.host.foreign import ForeignLife, stand_beside_foreign
from graftage.host.launch_options import LaunchOptions
from graftage.host.running_plugin import RunningPlugin
from graftage.protocol.handshake import Handshake
from graftage.protocol.network_peer import NetworkPeer

_CHECKS = 2  # that fail in a row, before a plugin whose connection stands is given up


@dataclass(frozen=True, slots=True)
class RemotePlugin:
    """A plugin elsewhere. version: of the application protocol, as nobody tells it in a handshake.

    check_seconds: from one health check to the next, and for the answer.
    """

    peer: NetworkPeer
    version: int = 2
    check_seconds: float = 10.0

    @property
    def address(self) -> str:
        return self.peer.address


@asynccontextmanager
async def connect(
    remote: RemotePlugin, *, plugin_id: str, options: LaunchOptions, logger: logging.Logger
) -> AsyncIterator[RunningPlugin]:
    """Connect to the plugin; when the block ends, it stays as it is.

    The certificates are read anew each time, so that those that were replaced come into use. Raises
    StartFailed, or SettingsError when they cannot be used.
    """
    life = ForeignLife()
    async with stand_beside_foreign(
        Handshake(remote.version, "tcp", remote.address),
        life,
        plugin_id=plugin_id,
        options=options,
        stop=_leave,
        logger=logger,
        secure=remote.peer.security(),
        is_secured=remote.peer.tls is not None,
    ) as plugin:
        checking = asyncio.create_task(
            _check(plugin.link.channel, remote, life, logger), name=f"check {plugin_id}"
        )
        try:
            yield plugin
        finally:
            checking.cancel()
            await asyncio.wait({checking})


async def _leave(_: grpc.aio.Channel) -> None:
    """It is not ours to stop."""


async def _check(
    channel: grpc.aio.Channel, remote: RemotePlugin, life: ForeignLife, logger: logging.Logger
) -> None:
    """Ask for the plugin's health until it does not answer any more."""
    failed = 0
    was_serving = True
    while failed < _CHECKS:
        await asyncio.sleep(remote.check_seconds)
        try:
            is_serving = await check_answers(channel, timeout=remote.check_seconds)
        except NoAnswer as error:
            failed += 1
            logger.warning("%s did not answer its health check: %s", remote.address, error)
            continue
        failed = 0
        if was_serving and not is_serving:
            logger.warning("%s says that it is not serving", remote.address)
        was_serving = is_serving
    life.end(f"{remote.address} left {_CHECKS} health checks in a row without an answer")
