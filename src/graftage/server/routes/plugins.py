"""The plugins: as Grafana lists them, and, under a path of our own, how each of them is doing.

Source: Grafana 7.5.5, pkg/api/plugins.go, `GetPluginList`.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from graftage.host.discovery import InstalledPlugin, Problem, printable
from graftage.host.host import Host
from graftage.host.plugin_json import PluginType
from graftage.host.supervision import PluginStatus
from graftage.server.answers import json_answer
from graftage.server.ordered_json import write_ordered
from graftage.server.plugin_face import info
from graftage.server.routing import Route


def routes(host: Host) -> list[Route]:
    async def list_plugins(request: Request) -> Response:
        """GET /api/plugins"""
        asked = {key: request.query_params.getlist(key)[0] for key in request.query_params}
        shown = sorted(
            (plugin for plugin in host.installed if _is_listed(plugin, asked)),
            key=lambda plugin: (plugin.name.encode(), plugin.id),
        )
        return json_answer(write_ordered([_list_element(plugin) for plugin in shown]))

    async def states(_request: Request) -> Response:
        """GET /api/graftage/plugins"""
        report = states_json(host.installed, host.statuses(), host.problems)
        return json_answer(write_ordered(report))

    return [
        Route("/api/plugins", {"GET": list_plugins}),
        Route("/api/graftage/plugins", {"GET": states}),
    ]


def states_json(
    plugins: Iterable[InstalledPlugin], statuses: Iterable[PluginStatus], problems: Iterable[Problem]
) -> dict[str, object]:
    """What was found, how it is doing, what could not be used. statuses: of those that have a process."""
    by_id = {status.id: status for status in statuses}
    return {
        "plugins": [_state(plugin, by_id.get(plugin.id)) for plugin in plugins],
        "problems": [_problem(problem) for problem in problems],
    }


def _is_listed(plugin: InstalledPlugin, asked: dict[str, str]) -> bool:
    """asked: the first value of each query parameter. No plugin here is a core plugin."""
    return not (
        plugin.json.built_in
        or plugin.json.state == "alpha"
        or asked.get("type") not in (None, "", plugin.type)
        or asked.get("core") == "1"
        or (asked.get("embedded") == "0" and plugin.app is not None)
        or (asked.get("enabled") == "1" and not _is_enabled(plugin))
    )


def _is_enabled(plugin: InstalledPlugin) -> bool:
    """An app is off until somebody turns it on, and so is everything inside it."""
    if plugin.type is PluginType.APP:
        return plugin.json.auto_enabled
    return plugin.app is None or _is_enabled(plugin.app)


def _list_element(plugin: InstalledPlugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "type": plugin.type,
        "id": plugin.id,
        "enabled": _is_enabled(plugin),
        "pinned": False,
        "info": info(plugin),
        "latestVersion": "",
        "hasUpdate": False,
        "defaultNavUrl": f"/plugins/{plugin.id}/",
        "category": plugin.json.category,
        "state": plugin.json.state,
        "signature": "unsigned",
        "signatureType": "",
        "signatureOrg": "",
    }


def _state(plugin: InstalledPlugin, status: PluginStatus | None) -> dict[str, object]:
    """A plugin and its process. A plugin without one has null for a state and nothing further."""
    plain: dict[str, object] = {
        "id": plugin.id,
        "name": plugin.name,
        "type": plugin.type,
        "version": plugin.json.info.version,
        "folder": printable(plugin.folder),
        "state": None,
    }
    if status is None:
        return plain
    return plain | {
        "state": status.state,
        "since": status.since.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "pid": status.pid,
        "address": status.address,
        "restarts": status.restarts,
        "lastExit": status.last_exit,
        "stderrTail": status.stderr_tail,
        "reason": status.reason,
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "path": printable(problem.path),
        "key": problem.key,
        "message": problem.message,
        "pluginId": problem.plugin_id,
    }
