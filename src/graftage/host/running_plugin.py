"""A plugin that answers calls, whoever started it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from graftage.host.client import PluginClient
from graftage.host.exit_status import ExitStatus
from graftage.host.link import Link


class Life(Protocol):
    """What is known of the process behind a plugin.

    pid: 0 for a process of another machine. exit: how it ended, or why it counts as ended. exited: set then.
    """

    @property
    def pid(self) -> int: ...
    @property
    def exit(self) -> asyncio.Future[ExitStatus]: ...
    @property
    def exited(self) -> asyncio.Event: ...


class RunningPlugin:
    """A plugin that answers calls, until it exits.

    version: the application protocol it speaks. link: a gRPC channel, for services that `client` does not
    know, and a broker for further connections in either direction.
    """

    def __init__(
        self,
        plugin_id: str,
        life: Life,
        link: Link,
        *,
        stderr_tail: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.version = link.handshake.version
        self.client = PluginClient(plugin_id, link.channel, life.exit, self.version, why=link.why_broken)
        self.link = link
        self._life = life
        self._stderr_tail = stderr_tail

    @property
    def pid(self) -> int:
        """The plugin's own process; 0 for one of another machine."""
        return self._life.pid

    @property
    def exited(self) -> asyncio.Event:
        """Set as soon as the process is known to have ended."""
        return self._life.exited

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines it wrote to stderr, oldest first; none of a process that the host did not start."""
        return self._stderr_tail()

    async def wait_exit(self) -> ExitStatus:
        """How the process ended, once it has; also when the host ends it because it cannot be reached."""
        await self._life.exited.wait()
        return self._life.exit.result()
