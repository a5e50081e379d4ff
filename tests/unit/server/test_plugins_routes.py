from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from graftage.host.discovery import InstalledPlugin, Problem, discover
from graftage.host.host import Host
from graftage.host.plugin_json import parse_plugin_json
from graftage.host.supervision import PluginStatus, State
from graftage.server.app import build_app
from graftage.server.metrics import Metrics
from graftage.server.routes.plugins import routes, states_json

RICH = b"""{"id": "rich-datasource", "name": "Rich", "type": "datasource", "category": "tsdb",
 "state": "beta",
 "info": {"description": "D <b>", "author": {"name": "N", "url": "http://a"},
  "logos": {"small": "img/logo.svg", "large": "http://cdn/large.svg"},
  "links": [{"name": "L", "url": "http://l"}], "screenshots": [{"name": "S", "path": "/img/../img/shot.png"}],
  "build": {"time": 1600000000000, "repo": "r", "branch": "b", "hash": "h"},
  "version": "1.2.3", "updated": "2020-01-01"}}"""
# As recorded from Grafana 7.5.5.
RICH_SHOWN = (
    '{"name":"Rich","type":"datasource","id":"rich-datasource","enabled":true,"pinned":false,"info":{"author":'
    '{"name":"N","url":"http://a"},"description":"D \\u003cb\\u003e","links":[{"name":"L","url":"http://l"}],'
    '"logos":{"small":"public/plugins/rich-datasource/img/logo.svg","large":"http://cdn/large.svg"},"build":'
    '{"time":1600000000000,"repo":"r","branch":"b","hash":"h"},"screenshots":[{"path":'
    '"public/plugins/rich-datasource/img/shot.png","name":"S"}],"version":"1.2.3","updated":"2020-01-01"},'
    '"latestVersion":"","hasUpdate":false,"defaultNavUrl":"/plugins/rich-datasource/","category":"tsdb",'
    '"state":"beta","signature":"unsigned","signatureType":"","signatureOrg":""}'
)
PANEL = b'{"id": "rich-panel", "name": "Rich Panel", "type": "panel"}'
PANEL_SHOWN = (
    '{"name":"Rich Panel","type":"panel","id":"rich-panel","enabled":true,"pinned":false,"info":{"author":'
    '{"name":"","url":""},"description":"","links":null,"logos":{"small":"public/img/icn-panel.svg","large":'
    '"public/img/icn-panel.svg"},"build":{},"screenshots":null,"version":"","updated":""},"latestVersion":"",'
    '"hasUpdate":false,"defaultNavUrl":"/plugins/rich-panel/","category":"","state":"","signature":"unsigned",'
    '"signatureType":"","signatureOrg":""}'
)

FOLDERS = {
    "rich": RICH,
    "panel": PANEL,
    "app": b'{"id": "app", "name": "an app", "type": "app"}',
    "app/inside": b'{"id": "inside", "name": "Inside", "type": "datasource"}',
    "auto": b'{"id": "auto", "name": "auto", "type": "app", "autoEnabled": true}',
    "auto/inside": b'{"id": "auto-inside", "name": "Auto", "type": "datasource"}',
    "alpha": b'{"id": "alpha", "name": "Alpha", "type": "datasource", "state": "alpha"}',
    "mixed": b'{"id": "mixed", "name": "Mixed", "type": "datasource", "builtIn": true}',
    "broken": b'{"id": "broken", "type": "gadget"}',
}


@pytest.fixture
async def http(tmp_path):
    for folder, text in FOLDERS.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "plugin.json").write_bytes(text)
    found = discover([tmp_path])
    host = Host(found.plugins, problems=found.problems)
    app = build_app(routes(host), metrics=Metrics(reported_version="7.5.5", own_version="0"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://server") as client:
        yield client


async def test_a_plugin_is_shown_as_grafana_does(http):
    assert (await http.get("/api/plugins?type=panel")).text == f"[{PANEL_SHOWN}]"
    assert RICH_SHOWN in (await http.get("/api/plugins")).text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "auto-inside inside rich-datasource rich-panel app auto"),
        ("type=app", "app auto"),
        ("type=App", ""),
        ("type=app&type=panel", "app auto"),
        ("type=", "auto-inside inside rich-datasource rich-panel app auto"),
        ("enabled=1", "auto-inside rich-datasource rich-panel auto"),
        ("enabled=0", "auto-inside inside rich-datasource rich-panel app auto"),
        ("embedded=0", "rich-datasource rich-panel app auto"),
        ("core=0", "auto-inside inside rich-datasource rich-panel app auto"),
        ("core=1", ""),
    ],
)
async def test_the_list_is_ordered_by_name_bytewise_and_can_be_narrowed(http, query, shown):
    answer = await http.get(f"/api/plugins?{query}")
    assert [plugin["id"] for plugin in answer.json()] == shown.split()


async def test_our_own_list_has_every_plugin_and_every_problem(http):
    answer = (await http.get("/api/graftage/plugins")).json()
    assert {plugin["id"] for plugin in answer["plugins"]} >= {"alpha", "mixed", "rich-datasource"}
    assert {plugin["state"] for plugin in answer["plugins"]} == {None}
    (problem,) = answer["problems"]
    assert problem["path"].endswith("/broken/plugin.json")
    assert (problem["key"], problem["pluginId"]) == ("type", "broken")


def test_a_plugin_with_a_process_tells_how_that_is():
    plugin = InstalledPlugin(parse_plugin_json(RICH), Path("/plugins/rich"))
    since = datetime(2026, 1, 31, 12, tzinfo=UTC)
    status = PluginStatus(
        "rich-datasource", "1.2.3", State.BACKING_OFF, since, None, 2, "status 3", ("last words",), "it ended"
    )
    problem = Problem(Path("/x"), "", "is no folder")
    assert states_json([plugin], [status], [problem]) == {
        "plugins": [
            {
                "id": "rich-datasource",
                "name": "Rich",
                "type": "datasource",
                "version": "1.2.3",
                "folder": "/plugins/rich",
                "state": "backing off",
                "since": "2026-01-31T12:00:00.000Z",
                "pid": None,
                "address": "",
                "restarts": 2,
                "lastExit": "status 3",
                "stderrTail": ("last words",),
                "reason": "it ended",
            }
        ],
        "problems": [{"path": "/x", "key": "", "message": "is no folder", "pluginId": ""}],
    }
