"""All the plugins of a server: their processes, their states, and the way to ask one of them."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import platform
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from graftage.backend.context import PluginContext
from graftage.errors import NotFound
from graftage.host.asking import Asking
from graftage.host.attach import attach
from graftage.host.calls import Metadata
from graftage.host.checksum import ChecksumMismatch
from graftage.host.discovery import InstalledPlugin, Problem
from graftage.host.executable import ExecutableError, find_executable
from graftage.host.host_options import HostOptions, context_from, plugin_variables
from graftage.host.host_query import HostQueryService
from graftage.host.launch import StartFailed, launch
from graftage.host.output_files import output_files
from graftage.host.process import NotExecuted
from graftage.host.remote import RemotePlugin, connect
from graftage.host.running_plugin import RunningPlugin
from graftage.host.supervision import PluginStatus
from graftage.host.supervisor import Supervisor
from graftage.protocol.handshake import AppVersionMismatch, CoreVersionMismatch, UnsupportedProtocol
from graftage.protocol.reattach import ReattachData

__all__ = ["Host", "HostOptions", "is_hopeless", "plugin_variables"]

# Starts that fail like this fail again as long as nobody changes the plugin's files: there is no file to
# launch, it is not the expected one, the system does not execute it, or the plugin is made for another host.
HOPELESS = (ExecutableError, ChecksumMismatch, CoreVersionMismatch, AppVersionMismatch, UnsupportedProtocol)
NOT_TO_EXECUTE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC})


class Host(Asking):
    """Runs the backends of these plugins for as long as its block lasts; after that no process is left.

    Entering the block starts them side by side and waits for none: a query waits for its own plugin.
    problems: what discovery had to report; logged once, and kept to be shown beside the plugins. host_query:
    through which plugins of version 2 can ask other data sources; None if they cannot.
    """

    def __init__(
        self,
        plugins: Iterable[InstalledPlugin],
        options: HostOptions | None = None,
        *,
        problems: Iterable[Problem] = (),
        host_query: HostQueryService | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.installed = tuple(plugins)
        self.problems = tuple(problems)
        self._host_query = host_query
        self._options = options or HostOptions()
        self._logger = logger or logging.getLogger("graftage.host")
        self._supervisors = {
            plugin.id: self._supervisor(plugin) for plugin in self.installed if plugin.backend
        }

    async def __aenter__(self) -> Self:
        for problem in self.problems:
            self._logger.warning("%s", problem, extra={"plugin_id": problem.plugin_id})
        for supervisor in self._supervisors.values():
            supervisor.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop all plugins, in parallel. Returns when nothing is left of them, also when it is cancelled."""
        # No TaskGroup: it would cancel its tasks a second time, in the middle of their clearing away, and
        # take the whole host down for an error in one of them.
        tasks = [supervisor.stop() for supervisor in self._supervisors.values()]
        pending = {task for task in tasks if task is not None}
        interruption: asyncio.CancelledError | None = None
        while pending:
            try:
                _, pending = await asyncio.wait(pending)
            except asyncio.CancelledError as error:
                interruption = error
        if interruption is not None:
            raise interruption

    def statuses(self) -> tuple[PluginStatus, ...]:
        """The state of every plugin that has a backend, in the order in which they were given."""
        return tuple(supervisor.status for supervisor in self._supervisors.values())

    def status(self, plugin_id: str) -> PluginStatus:
        """The state of one plugin. Raises NotFound."""
        return self._supervised(plugin_id).status

    def _supervised(self, plugin_id: str) -> Supervisor[RunningPlugin]:
        supervisor = self._supervisors.get(plugin_id)
        if supervisor is not None:
            return supervisor
        if any(plugin.id == plugin_id for plugin in self.installed):
            raise NotFound(
                f'plugin {plugin_id!r} has no backend to ask; its plugin.json would say "backend": true'
            )
        refused = next((problem for problem in self.problems if problem.plugin_id == plugin_id), None)
        reason = f" ({refused})" if refused else ""
        raise NotFound(
            f"no plugin has the id {plugin_id!r}{reason}; GET /api/plugins lists those that were found; "
            "restart the server if it was added since"
        )

    def _on_behalf(
        self, plugin: RunningPlugin, context: PluginContext, chain: tuple[str, ...]
    ) -> AbstractContextManager[Metadata]:
        if self._host_query is None:
            return nullcontext(())
        return self._host_query.on_behalf(plugin.link.broker, context, chain)

    def _told(self, plugin_id: str, context: PluginContext) -> PluginContext:
        plugin = next(plugin for plugin in self.installed if plugin.id == plugin_id)
        return context_from(
            context,
            self._options,
            plugin_version=plugin.json.info.version,
            system=platform.system(),
            machine=platform.machine(),
        )

    def _supervisor(self, plugin: InstalledPlugin) -> Supervisor[RunningPlugin]:
        elsewhere = self._options.elsewhere.get(plugin.id)
        return Supervisor(
            plugin.id,
            plugin.json.info.version,
            self._launcher(plugin) if elsewhere is None else self._connector(plugin, elsewhere),
            address=elsewhere.address if isinstance(elsewhere, RemotePlugin) else "",
            policy=self._options.back_off,
            is_hopeless=is_hopeless,
            now=lambda: datetime.now(UTC),
            chance=random.random,
            logger=self._logger,
        )

    def _launcher(self, plugin: InstalledPlugin) -> Callable[[], AbstractAsyncContextManager[RunningPlugin]]:
        variables = plugin_variables(plugin.id, self._options, os.environ)
        options = replace(
            self._options.launch,
            environment={**self._options.launch.environment, **variables},
            **self._options.launched.get(plugin.id, {}),  # type: ignore[arg-type]  # each is one of its fields
        )

        @asynccontextmanager
        async def once() -> AsyncIterator[RunningPlugin]:
            # Looked for anew each time: a repaired file shall help without a restart of the host.
            executable = find_executable(
                plugin.folder,
                plugin.json.executable,
                platform.system(),
                platform.machine(),
                within=plugin.app.folder if plugin.app else None,
            )
            folder = self._options.output_folder
            with output_files(folder, plugin.id, otherwise=options.copies) as copies:
                async with (
                    launch(
                        executable.path,
                        plugin_id=plugin.id,
                        options=replace(options, copies=copies),
                        logger=self._logger,
                        interpreter=executable.interpreter,
                        checksum=self._options.checksums.get(plugin.id),
                    ) as running,
                    self._offer_host_query(running),
                ):
                    yield running

        return once

    def _connector(
        self, plugin: InstalledPlugin, elsewhere: RemotePlugin | ReattachData
    ) -> Callable[[], AbstractAsyncContextManager[RunningPlugin]]:
        """As `_launcher`, for a plugin that the host does not start."""
        folder, logger = self._options.output_folder, self._logger.getChild(plugin.id)

        @asynccontextmanager
        async def once() -> AsyncIterator[RunningPlugin]:
            with output_files(folder, plugin.id, otherwise=self._options.launch.copies) as copies:
                options = replace(self._options.launch, copies=copies)
                async with AsyncExitStack() as stack:
                    if isinstance(elsewhere, RemotePlugin):
                        # A broker's sockets are of one machine: such a plugin cannot ask other data sources.
                        running = connect(elsewhere, plugin_id=plugin.id, options=options, logger=logger)
                        yield await stack.enter_async_context(running)
                        return
                    attached = await stack.enter_async_context(
                        attach(elsewhere, plugin_id=plugin.id, options=options, logger=logger)
                    )
                    await stack.enter_async_context(self._offer_host_query(attached))
                    yield attached

        return once

    def _offer_host_query(self, running: RunningPlugin) -> AbstractAsyncContextManager[None]:
        if self._host_query is None or running.version < 2:
            return nullcontext()
        return self._host_query.offered(running.link.broker)


def is_hopeless(error: Exception) -> bool:
    """Can a start that failed like this only fail again?"""
    cause = error.__cause__ if isinstance(error, StartFailed) else error
    if isinstance(cause, NotExecuted):
        return cause.step == "exec" and cause.number in NOT_TO_EXECUTE
    return isinstance(cause, HOPELESS)
