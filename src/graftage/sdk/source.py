"""An author's class, object or function, as something that is made from settings, asked, and closed."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

from graftage.backend.context import PluginContext
from graftage.sdk.data_source import App
from graftage.sdk.instances import Made
from graftage.sdk.model import model_of, model_of_attribute
from graftage.sdk.settings import Settings, settings_of
from graftage.sdk.workers import Workers

SETTINGS = "settings"

log = logging.getLogger(__name__)


class Sources:
    """Makes and closes the objects of data sources and apps.

    target: a class, called for each of them, with its settings when it takes an argument; or an object
    that serves them all, which is set up before the first query and closed at the end.
    """

    def __init__(self, target: object, workers: Workers) -> None:
        self._target = target
        self._workers = workers
        self._settings_model = _model_of_settings(target) if isinstance(target, type) else None
        self._takes_settings = isinstance(target, type) and _takes_an_argument(target)
        self._shared_setup: asyncio.Task[None] | None = None

    async def make(self, context: PluginContext) -> Made:
        """The object for what is asked. Raises what the author's code raises."""
        decoded = settings_of(context, self._settings_model)
        if not isinstance(self._target, type):
            await self._set_up_once(self._target)
            return Made(self._target, decoded)
        cls, arguments = self._target, (decoded,) if self._takes_settings else ()
        source = await self._workers.submit(lambda: _with_settings(cls(*arguments), decoded))
        try:
            await self._call(source, "setup")
        except BaseException:
            await self._close(source)
            raise
        return Made(source, decoded)

    async def end(self, made: Made) -> None:
        """Close an object that was made for one data source. Its own failure is logged, not raised."""
        if made.source is not self._target:
            await self._close(made.source)

    async def close(self) -> None:
        """Close the object that served all data sources, if there is one."""
        if self._shared_setup is not None:
            await self._close(self._target)

    async def _set_up_once(self, source: object) -> None:
        if self._shared_setup is None or _failed(self._shared_setup):
            self._shared_setup = asyncio.create_task(self._call(source, "setup"))
        await asyncio.shield(self._shared_setup)

    async def _close(self, source: object) -> None:
        try:
            await self._call(source, "aclose" if hasattr(source, "aclose") else "close")
        except Exception:
            log.exception("closing %s failed", type(source).__name__)

    async def _call(self, source: object, name: str) -> None:
        """Await a method if it is `async def`, run it in a thread if it is plain, do nothing without it."""
        method = getattr(source, name, None)
        if method is None:
            return
        if inspect.iscoroutinefunction(method):
            awaitable = method()
        else:
            awaitable = await self._workers.submit(method)
        if inspect.isawaitable(awaitable):
            try:
                await awaitable
            except (SystemExit, KeyboardInterrupt) as error:  # would end the event loop, and all the plugin
                raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _model_of_settings(cls: type) -> Any:
    """The type of `jsonData` that `__init__` or the annotated attribute names; None for a plain dict."""
    in_init = model_of(cls.__init__, Settings)  # type: ignore[misc]  # looked at, not called
    return model_of_attribute(cls, SETTINGS, Settings) if in_init is None else in_init


def _with_settings(source: Any, settings: Settings[Any]) -> Any:
    """The object, with what our base classes promise even where its `__init__` leaves out theirs."""
    if isinstance(source, App) and not hasattr(source, SETTINGS):
        object.__setattr__(source, SETTINGS, settings)  # a frozen dataclass takes it no other way
    return source


def _takes_an_argument(cls: type) -> bool:
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):  # a class made in C that says nothing about itself
        return False
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return any(parameter.kind in positional for parameter in parameters)
