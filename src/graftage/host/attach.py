"""Attaching to a plugin that runs already: one that another host left behind, a test suite's, a debugger's.

There is no handshake, no cookie and no output but what the plugin prints over gRPC: its stderr ended with
whoever started it. Its end is seen by asking once a second whether the pid is still there.

Source: hashicorp/go-plugin, client.go (`reattach`), internal/cmdrunner/cmd_reattach.go. The reference leaves
the protocol version in the data unread, and speaks the one it would have started the plugin with.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc.aio

from graftage.errors import GraftageError, PluginFault, SettingsError
from graftage.host.connection import ask_to_shut_down
from graftage.host.foreign import ForeignLife, stand_beside_foreign
from graftage.host.launch_options import LaunchOptions
from graftage.host.running_plugin import RunningPlugin
from graftage.host.stopping import stop
from graftage.protocol.forwarding import dialer
from graftage.protocol.handshake import Handshake
from graftage.protocol.process_id import is_alive
from graftage.protocol.reattach import ReattachData

_LOOK_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.02  # while it is being stopped


class ProcessNotFound(PluginFault):
    """Nobody listens where the plugin should; its pid may be somebody else's by now, and is left alone."""


@asynccontextmanager
async def attach(
    data: ReattachData, *, plugin_id: str, options: LaunchOptions, logger: logging.Logger
) -> AsyncIterator[RunningPlugin]:
    """Connect to the plugin. When the block ends it is stopped like one that was launched, by its pid; one
    whose data say that it is a test's is left as it is.

    Raises ProcessNotFound, StartFailed if it does not answer, and SettingsError for options that only the
    start of a process can follow.
    """
    if options.auto_mtls or options.multiplex:
        raise SettingsError(
            f"plugin {plugin_id!r} cannot be attached to with TLS of one run, or over one connection: both "
            "are settled when a process starts"
        )
    await _probe(data, plugin_id)
    process = _AttachedProcess(data.pid)
    looking = asyncio.create_task(process.look(), name=f"look for process {data.pid}")

    async def let_go(channel: grpc.aio.Channel) -> None:
        if data.test:
            return
        if not data.pid:
            await ask_to_shut_down(channel, timeout=options.stop_grace)
            return
        grace, term_grace = options.stop_grace, options.term_grace
        await stop(process, channel, grace=grace, term_grace=term_grace, logger=logger)

    try:
        async with stand_beside_foreign(
            Handshake(data.version, data.network, data.address),
            process,
            plugin_id=plugin_id,
            options=options,
            stop=let_go,
            logger=logger,
        ) as plugin:
            yield plugin
    finally:
        looking.cancel()
        await asyncio.wait({looking})


class _AttachedProcess(ForeignLife):
    """It can be stopped as one of our own, as long as it is known to be there."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self._told_to_end = asyncio.Event()

    @property
    def told_to_end(self) -> bool:
        return self._told_to_end.is_set()

    @told_to_end.setter
    def told_to_end(self, _: bool) -> None:
        self._told_to_end.set()

    async def look(self) -> None:
        """Look for the process from time to time, until it is gone."""
        while self.pid and is_alive(self.pid):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._told_to_end.wait()
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        if self.pid:
            self.end(f"process {self.pid} is gone")

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def gone(self, *, timeout: float) -> None:
        await asyncio.wait({self.exit}, timeout=timeout)

    def _signal(self, number: signal.Signals) -> None:
        if not self.exit.done() and is_alive(self.pid):
            with suppress(OSError):
                os.kill(self.pid, number)


async def _probe(data: ReattachData, plugin_id: str) -> None:
    """Connect once. Raises ProcessNotFound."""
    try:
        await dialer(data.network, data.address)(_Knock())
    except (OSError, TimeoutError, GraftageError) as error:
        raise ProcessNotFound(
            f"plugin {plugin_id!r}: process not found: nothing takes a connection at {data.network} "
            f"{data.address}: {error}"
        ) from error


class _Knock(asyncio.Protocol):
    """A connection that is made, and no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
