"""What a plugin.json may say, and what its author is told when it says something else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from graftage.host.plugin_json import (
    LIMIT,
    Author,
    Build,
    Dependencies,
    Include,
    Link,
    Logos,
    PluginDependency,
    PluginJson,
    PluginJsonError,
    PluginType,
    Role,
    Screenshot,
    parse_plugin_json,
    read_plugin_json,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"


def described(**more: Any) -> PluginJson:
    return parse_plugin_json(json.dumps({"id": "a-ds", "type": "datasource", **more}).encode())


def golden_files(scenario: str) -> dict[str, Any]:
    files: dict[str, Any] = json.loads((GOLDEN / scenario).read_text())[0]["setup"]["files"]
    return files


def test_a_full_description_keeps_everything_that_a_host_shows():
    files = golden_files("plugins.7.5.5.json")
    plugin = parse_plugin_json(json.dumps(files["plugins/rich/plugin.json"]).encode())

    assert (plugin.id, plugin.name, plugin.type) == ("rich-datasource", "Rich", PluginType.DATASOURCE)
    assert (plugin.category, plugin.state, plugin.backend, plugin.built_in) == ("tsdb", "beta", False, False)
    assert plugin.info.author == Author(name="N", url="http://a")
    assert plugin.info.links == (Link(name="L", url="http://l"),)
    assert plugin.info.logos == Logos(small="img/logo.svg", large="http://cdn/large.svg")
    assert plugin.info.screenshots == (Screenshot(name="S", path="img/shot.png"),)
    assert plugin.info.build == Build(time=1600000000000, repo="r", branch="b", hash="h")
    assert (plugin.info.version, plugin.info.updated) == ("1.2.3", "2020-01-01")
    assert plugin.includes == (
        Include(type="dashboard", name="Dash One", path="dash.json", role=Role.VIEWER),
        Include(type="page", name="P", role=Role.ADMIN, add_to_nav=True, default_nav=True),
    )
    assert plugin.dependencies == Dependencies(
        grafana_version="6.x.x",
        plugins=(PluginDependency(type="panel", id="graph", name="G", version="1"),),
    )
    assert plugin.alerting
    assert plugin.query_options == {"minInterval": True, "maxDataPoints": True}
    assert [route.url for route in plugin.routes] == ["http://h"]


def test_what_is_absent_has_the_value_that_a_host_shows_for_it():
    plugin = described()
    assert (plugin.info.links, plugin.info.screenshots, plugin.includes) == (None, None, None)
    assert plugin.dependencies == Dependencies(grafana_version="*", plugins=())
    assert plugin.info.build == Build()


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_an_empty_text_count_as_absent(nothing):
    plugin = described(
        name=nothing, info=None, dependencies={"grafanaVersion": nothing}, includes=[{"role": nothing}]
    )
    assert plugin.name == ""
    assert plugin.dependencies.grafana_version == "*"
    assert plugin.includes == (Include(role=Role.VIEWER),)


def test_keys_match_without_regard_to_case_and_unknown_ones_are_ignored():
    text = b'{"ID": "a", "Type": "panel", "INFO": {"Version": "1"}, "BackEnd": true, "other": [{"id": 7}]}'
    plugin = parse_plugin_json(text)
    assert (plugin.id, plugin.type, plugin.info.version, plugin.backend) == ("a", "panel", "1", True)


def test_text_after_the_first_value_is_not_looked_at():
    assert parse_plugin_json(b' {"id": "a", "type": "app"} and so on').id == "a"


def test_text_keeps_its_characters_and_half_a_surrogate_is_replaced():
    assert parse_plugin_json(b'{"id":"a","type":"app","name":"\xc3\xa9\\ud83d\\ude00\\ud800"}').name == "é😀�"


@pytest.mark.parametrize(
    ("content", "key", "complaint"),
    [
        (b"", "", "is empty"),
        (b" \n", "", "is empty"),
        (b"{nope", "", "not JSON: .* at line 1, column 2"),
        (b'{"id": "a",\n "type": datasource}', "", "line 2, column 10"),
        (b'{"id": NaN}', "", "NaN is no JSON number"),
        (b'{"id": ' + b"1" * 5000 + b"}", "", "not usable JSON"),
        (b"[" * 200_000, "", "not usable JSON"),
        (b'\xef\xbb\xbf{"id":"a","type":"app"}', "", "byte order mark; save it as UTF-8 without one"),
        ('{"id":"a"}'.encode("utf-16"), "", "byte order mark"),
        (b'{"id": "\xff"}', "", "not UTF-8 at byte 8"),
        (b"[]", "", "Expected object, got array"),
        (b"{}", "id", 'has no "id"'),
        (b'{"type": "app"}', "id", 'has no "id"'),
        (b'{"id": "", "type": "app"}', "id", 'has no "id"'),
        (b'{"id": "a"}', "type", 'has no "type"'),
        (b'{"id": 7, "type": "app"}', "id", "Expected str, got int; write a text in quotes"),
        (b'{"id": "a", "type": "gadget"}', "type", "'gadget'; write one of datasource, panel, app, renderer"),
    ],
)
def test_a_file_that_is_no_description_tells_what_to_change(content, key, complaint):
    with pytest.raises(PluginJsonError, match=complaint) as refusal:
        parse_plugin_json(content)
    assert refusal.value.key == key


@pytest.mark.parametrize(
    ("field", "key", "complaint"),
    [
        ({"metrics": "yes"}, "metrics", "Expected bool, got str; write true or false, without quotes"),
        ({"backend": ""}, "backend", "Expected bool, got str"),
        ({"info": {"version": 2}}, "info.version", "Expected str, got int"),
        ({"info": {"build": {"time": "now"}}}, "info.build.time", "write a whole number"),
        ({"info": {"links": {}}}, "info.links", "Expected array, got object; write a list"),
        ({"info": []}, "info", "Expected object, got array; write an object"),
        (
            {"includes": [{}, {"role": "King"}]},
            "includes[1].role",
            "'King'; write one of Viewer, Editor, Admin",
        ),
        ({"routes": [{"path": "x", "reqRole": "King"}]}, "routes[0].reqRole", "Viewer, Editor, Admin"),
        ({"routes": [None]}, "routes[0]", "Expected object, got null"),
    ],
)
def test_a_value_of_a_wrong_kind_is_named_with_its_place_and_its_plugin(field, key, complaint):
    with pytest.raises(PluginJsonError, match=complaint) as refusal:
        described(**field)
    assert (refusal.value.key, refusal.value.plugin_id) == (key, "a-ds")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_named_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_huge_file(path: Path) -> None:
    path.write_bytes(b" " * (LIMIT + 1))


def nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (a_folder, "not a regular file"),
        (a_named_pipe, "not a regular file"),
        (a_huge_file, f"larger than {LIMIT} bytes"),
        (nothing, "does not exist; put one there"),
    ],
)
def test_what_is_no_small_readable_file_is_refused_without_waiting_for_it(tmp_path, make, complaint):
    make(tmp_path / "plugin.json")
    with pytest.raises(PluginJsonError, match=complaint):
        read_plugin_json(tmp_path / "plugin.json")
