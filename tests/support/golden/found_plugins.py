"""Which plugins a run folder holds, read from the setup of a scenario and not from anybody's walk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from support.golden.cases import Setup

_TYPES = frozenset({"datasource", "panel", "app", "renderer"})
_ROLES = frozenset({None, "", "Viewer", "Editor", "Admin"})


def found_plugins(setup: Setup) -> dict[str, Mapping[str, Any]]:
    """What plugin.json says, by id: of those that can be used; of two with one id the first by path."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(setup.files):
        if (
            PurePosixPath(path).name != "plugin.json"
            or not _is_below_root(path, setup)
            or _is_hidden_by_dist(path, setup)
        ):
            continue
        for plugin in _usable(setup.files[path]):
            found.setdefault(plugin["id"], plugin)
    return found


def _is_below_root(path: str, setup: Setup) -> bool:
    linked = [target for name, target in setup.symlinks.items() if name.startswith("plugins/")]
    return "node_modules" not in path and any(path.startswith(f"{root}/") for root in ("plugins", *linked))


def _is_hidden_by_dist(path: str, setup: Setup) -> bool:
    """Is there a folder `dist` beside, which is then the plugin?"""
    return any(other.startswith(f"{PurePosixPath(path).parent}/dist/") for other in setup.files)


def _usable(content: Any) -> Iterator[Mapping[str, Any]]:
    try:
        plugin = json.loads(content) if isinstance(content, str) else content
    except ValueError:
        return
    if (
        isinstance(plugin, dict)
        and isinstance(plugin.get("id"), str)
        and plugin.get("type") in _TYPES
        and isinstance(plugin.get("metrics", False), bool)
        and all(route.get("reqRole") in _ROLES for route in plugin.get("routes", ()))
    ):
        yield plugin
