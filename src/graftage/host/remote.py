"""Plugins that run elsewhere: in another container, on another machine. The host only connects to them.

They are kept connected as local ones are kept running: with the same states and the same back-off. Whether
such a plugin is there is asked with gRPC's health check from time to time; pings of HTTP/2 are not sent,
since servers in Go hang up on whoever sends more of them than they like.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio

from graftage.errors import SettingsError
from graftage.host.connection import NoAnswer, check_answers
from graftage.host.foreign import ForeignLife, stand_beside_foreign
from graftage.host.launch_options import LaunchOptions
from graftage.host.running_plugin import RunningPlugin
from graftage.protocol.forwarding import Dial
from graftage.protocol.handshake import Handshake, address_problem
from graftage.protocol.network_tls import TlsFiles, client_context, is_loopback, split_address
from graftage.protocol.tls_connection import secured

_CHECKS = 2  # that fail in a row, before a plugin whose connection stands is given up


@dataclass(frozen=True, slots=True)
class RemotePlugin:
    """Where a plugin is, and how to speak to it. Raises SettingsError for what cannot work.

    address: `host:port`. tls: None to speak in the open, which has to be asked for unless the address is of
    this machine. server_name: what its certificate is for, unless that is the address's host. version: of
    the application protocol. check_seconds: from one health check to the next, and for the answer.
    """

    address: str
    tls: TlsFiles | None = None
    server_name: str = ""
    is_open: bool = False
    version: int = 2
    check_seconds: float = 10.0

    def __post_init__(self) -> None:
        if problem := address_problem("tcp", self.address):
            raise SettingsError(f"no plugin can be reached at {self.address!r}: {problem}")
        if self.is_open and self.tls is not None:
            raise SettingsError(f"TLS for the plugin at {self.address} is both switched off and set up")
        if self.tls is None and not self.is_open and not is_loopback(split_address(self.address)[0]):
            raise SettingsError(
                f"the plugin at {self.address} is not on this machine: name a certificate, its key and the "
                "authority (tls_cert, tls_key, tls_ca), or say tls = false to send queries and secrets in "
                "the open"
            )


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
        secure=_security(remote),
    ) as plugin:
        checking = asyncio.create_task(
            _check(plugin.link.channel, remote, life, logger), name=f"check {plugin_id}"
        )
        try:
            yield plugin
        finally:
            checking.cancel()
            await asyncio.wait({checking})


def _security(remote: RemotePlugin) -> Callable[[Dial], Dial]:
    if remote.tls is None:
        return lambda dial: dial
    context = client_context(remote.tls)
    name = remote.server_name or split_address(remote.address)[0]
    return lambda dial: secured(dial, context, name=name)


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
