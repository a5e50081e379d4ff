"""How a plugin presents itself: what is shown of its `plugin.json`, with paths a browser can follow.

Source: Grafana 7.5.5, pkg/plugins/frontend_plugin.go.
"""

from __future__ import annotations

import posixpath
import re

from graftage.host.discovery import InstalledPlugin

_ABSOLUTE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")

# What stands for a data source whose type no plugin has.
UNKNOWN_LOGO = "public/img/icn-datasource.svg"


def small_logo(plugin: InstalledPlugin) -> str:
    return _logo(plugin, plugin.json.info.logos.small)


def info(plugin: InstalledPlugin) -> dict[str, object]:
    """`info` of an answer, its keys in Grafana's order."""
    shown = plugin.json.info
    build = shown.build
    return {
        "author": {"name": shown.author.name, "url": shown.author.url},
        "description": shown.description,
        "links": shown.links and [{"name": link.name, "url": link.url} for link in shown.links],
        "logos": {"small": small_logo(plugin), "large": _logo(plugin, shown.logos.large)},
        "build": {
            key: value
            for key, value in (
                ("time", build.time),
                ("repo", build.repo),
                ("branch", build.branch),
                ("hash", build.hash),
            )
            if value
        },
        "screenshots": shown.screenshots
        and [{"path": _public(plugin, shot.path), "name": shot.name} for shot in shown.screenshots],
        "version": shown.version,
        "updated": shown.updated,
    }


def _logo(plugin: InstalledPlugin, path: str) -> str:
    return _public(plugin, path) if path else f"public/img/icn-{plugin.type}.svg"


def _public(plugin: InstalledPlugin, path: str) -> str:
    """A path in the plugin's folder as seen from outside; an absolute url stays."""
    if not path or _ABSOLUTE_URL.match(path):
        return path
    return posixpath.normpath(f"{plugin.base_url}/{path}")
