"""The objects that answer: one for each configured data source, or each organisation with an app, made when
first asked.

An object belongs to its settings. When they change, a new one takes its place, and the old one is closed once
its last running call has ended, or a minute later at the latest. An object that nobody asked for an hour is
closed as well. When one cannot be made, none is kept and the next call tries again.

Source: the behaviour of Grafana's Go SDK (instancemgmt), which closes objects under running calls and keeps
those of deleted data sources for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from graftage.backend.context import AppSettings, PluginContext
from graftage.sdk.settings import Settings

LINGER_SECONDS = 60.0
UNUSED_SECONDS = 3600.0
SWEEPS = 60  # how often, within that time, unused objects are looked for

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """An author's object, and the settings it was made from."""

    source: Any
    settings: Settings[Any]


Make = Callable[[PluginContext], Coroutine[Any, Any, Made]]
End = Callable[[Made], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Instance:
    """An object that is there or being made. users: running calls, and threads that they left behind.

    fingerprint: what it was made from. last_used: a moment of the event loop's clock. kept: what services
    keep for as long as it lives, such as its web application.
    """

    fingerprint: object
    making: asyncio.Task[Made]
    last_used: float
    users: int = 0
    retired: bool = False
    ending: asyncio.Task[None] | None = None
    kept: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def source(self) -> Any:
        """The author's object, once it is made."""
        return self.making.result().source

    @property
    def settings(self) -> Settings[Any]:
        return self.making.result().settings


class Instances:
    """The objects of all data sources and apps. To be used inside a running event loop, and closed there.

    make: makes an object, raising what the author's code raises. end: closes one, raising nothing.
    """

    def __init__(
        self, make: Make, end: End, *, linger: float = LINGER_SECONDS, unused: float = UNUSED_SECONDS
    ) -> None:
        self._make = make
        self._end = end
        self._linger = linger
        self._unused = unused
        self._instances: dict[Hashable, Instance] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def use(self, context: PluginContext, *, tenant: str = "") -> AsyncIterator[Instance]:
        """The object for what is asked; it is not closed under the block. Raises what making it raises.

        tenant: which of several tenants asks; each has objects of its own.
        """
        instance = self._instance(context, tenant)
        self.hold(instance)
        try:
            # Shielded, as the call that happens to come first may be cancelled while others wait.
            await asyncio.shield(instance.making)
            yield instance
        finally:
            self.release(instance)

    def hold(self, instance: Instance) -> None:
        """Keep the object from being closed until `release`."""
        instance.users += 1

    def release(self, instance: Instance) -> None:
        instance.users -= 1
        instance.last_used = asyncio.get_running_loop().time()
        if instance.retired and not instance.users:
            self._close(instance)

    def sweep(self, now: float) -> None:
        """Close what nobody has used for long. now: a moment of the event loop's clock."""
        for key, instance in list(self._instances.items()):
            if not instance.users and now - instance.last_used >= self._unused:
                del self._instances[key]
                self._close(instance)

    async def close(self, *, timeout: float) -> None:
        """Close all objects, used or not, and wait at most `timeout` seconds for that."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        instances, self._instances = self._instances, {}
        for instance in instances.values():
            instance.making.cancel()  # does nothing to an object that is there
            self._close(instance)
        if self._ending:
            _, late = await asyncio.wait(self._ending, timeout=timeout)
            for task in late:
                task.cancel()

    @property
    def count(self) -> int:
        """How many objects are in use, or wait to be."""
        return len(self._instances)

    def _instance(self, context: PluginContext, tenant: str) -> Instance:
        key = _key(context, tenant)
        fingerprint = _fingerprint(context)
        instance = self._instances.get(key)
        if instance is not None and instance.fingerprint == fingerprint:
            return instance
        if instance is not None:
            self._retire(instance)
        now = asyncio.get_running_loop().time()
        made = Instance(fingerprint, asyncio.create_task(self._make(context)), last_used=now)
        made.making.add_done_callback(lambda making: self._forget_failure(key, made, making))
        self._instances[key] = made
        if self._sweeping is None:
            self._sweep_again()
        return made

    def _forget_failure(self, key: Hashable, instance: Instance, making: asyncio.Task[Made]) -> None:
        failed = making.cancelled() or making.exception() is not None
        if failed and self._instances.get(key) is instance:
            del self._instances[key]

    def _retire(self, instance: Instance) -> None:
        instance.retired = True
        if instance.users:
            asyncio.get_running_loop().call_later(self._linger, self._close, instance)
        else:
            self._close(instance)

    def _close(self, instance: Instance) -> None:
        if instance.ending is None:
            instance.ending = asyncio.create_task(self._close_made(instance))
            self._ending.add(instance.ending)
            instance.ending.add_done_callback(self._ending.discard)

    async def _close_made(self, instance: Instance) -> None:
        await asyncio.wait([instance.making])
        if not instance.making.cancelled() and instance.making.exception() is None:
            await self._end(instance.making.result())

    def _sweep_again(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweep(loop.time())
        self._sweeping = loop.call_later(self._unused / SWEEPS, self._sweep_again)


def _key(context: PluginContext, tenant: str) -> Hashable:
    """What has an object of its own: a data source, or an organisation's app. A uid may be missing (Grafana
    5 to 7), and so may the number (newer hosts)."""
    source = context.data_source
    if source is None:
        return (tenant, context.plugin_id, context.org_id)
    return (tenant, source.org_id, source.id, source.uid)


def _fingerprint(context: PluginContext) -> object:
    """What an object is made from, and lives as long as. A host that tells when the settings were changed
    counts whole milliseconds, or even seconds, so the settings themselves are compared as well; the name is
    not, as it changes nothing."""
    source, config = context.data_source, dict(context.grafana_config)
    if source is None:
        app = context.app or AppSettings()
        return (app.updated_ms, app.json, app.secrets, config)
    account = (source.user, source.database, source.basic_auth_enabled, source.basic_auth_user)
    return (source.updated_ms, source.url, source.json, source.secrets, account, config)
