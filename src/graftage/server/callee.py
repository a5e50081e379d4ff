"""Whom a path names: a data source or a plugin; and with what context its plugin is called.

Source: grafana 7.5, pkg/api/datasources.go (`CallDatasourceResource`, `CheckDatasourceHealth`) and
pkg/api/plugins.go (`CallResource`, `CheckHealth`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from graftage.backend.context import AppSettings, PluginContext, User, context_of
from graftage.host.discovery import InstalledPlugin
from graftage.server.cookies import cookies_to_keep
from graftage.store.data_sources import MAIN_ORG, DataSource

# What a plugin is told of an app that nobody ever configured: Go's zero time, squeezed into milliseconds.
_NEVER_MS: Final = -6795364578871


class Missing(Enum):
    """Why nobody can be called."""

    SOURCE = auto()  # there is no such data source
    TYPE = auto()  # no plugin is installed for its type
    PLUGIN = auto()  # no plugin has this id
    BACKEND = auto()  # the plugin has no process


@dataclass(frozen=True, slots=True)
class Callee:
    """A plugin to be called. cookies: the names of those that it gets to see."""

    plugin_id: str
    context: PluginContext
    cookies: frozenset[str] = frozenset()


class Callees:
    """Finds them. by_id, by_uid: the data source, None if there is none. plugins: all that are installed."""

    def __init__(
        self,
        by_id: Callable[[int], DataSource | None],
        by_uid: Callable[[str], DataSource | None],
        plugins: Iterable[InstalledPlugin],
    ) -> None:
        self._by_id = by_id
        self._by_uid = by_uid
        self._plugins = {plugin.id: plugin for plugin in plugins}

    def source_by_id(self, text: str, user: User | None) -> Callee | Missing:
        """text: as it stands in a path. What is no number is answered as an unknown one."""
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        return self._of_source(None if number is None else self._by_id(number), user)

    def source_by_uid(self, uid: str, user: User | None) -> Callee | Missing:
        return self._of_source(self._by_uid(uid), user)

    def plugin(self, plugin_id: str, user: User | None) -> Callee | Missing:
        """The plugin itself, without a data source; as an app that nobody has configured."""
        plugin = self._plugins.get(plugin_id)
        if plugin is None:
            return Missing.PLUGIN
        if not plugin.json.backend:
            return Missing.BACKEND
        app = AppSettings(json="", updated_ms=_NEVER_MS)
        return Callee(plugin_id, PluginContext(MAIN_ORG, plugin_id, user=user, app=app))

    def _of_source(self, source: DataSource | None, user: User | None) -> Callee | Missing:
        if source is None:
            return Missing.SOURCE
        plugin = self._plugins.get(source.type)
        if plugin is None:
            return Missing.TYPE
        if not plugin.json.backend:
            return Missing.BACKEND
        return Callee(
            source.type, context_of(source.settings(), user=user), cookies_to_keep(source.json_data)
        )
