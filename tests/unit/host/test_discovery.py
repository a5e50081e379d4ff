"""Which plugins a folder holds, and what is reported of everything else in it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graftage.host import discovery
from graftage.host.discovery import Discovery, InstalledPlugin, discover, printable

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def plugin(folder: Path, plugin_id: str, **more: Any) -> Path:
    write(folder / "plugin.json", {"id": plugin_id, "type": "datasource", **more})
    return folder


def ids(found: Discovery) -> list[str]:
    return [plugin.id for plugin in found.plugins]


def complaints(found: Discovery, under: Path) -> list[tuple[str, str, str]]:
    """Place, key and message of each problem."""
    return [(str(p.path.relative_to(under)), p.key, p.message) for p in found.problems]


def only_complaint(found: Discovery, under: Path) -> tuple[str, str]:
    """Place and message of the one problem there is."""
    [(place, _, message)] = complaints(found, under)
    return place, message


def as_recorded(scenario: str, run: Path) -> tuple[Discovery, list[str]]:
    """Lay out the folders of a recording; what is found in them, and the ids that the recording lists."""
    cases = json.loads((GOLDEN / f"{scenario}.json").read_text())
    setup = cases[0]["setup"]
    for name, content in setup["files"].items():
        write(run / name, content)
    for name, target in setup.get("symlinks", {}).items():
        (run / name).symlink_to(run / target)
    configured = [section["path"] for section in setup.get("ini", {}).values() if "path" in section]
    roots = [run / "plugins", *(Path(path.replace("{{RUNDIR}}", str(run))) for path in configured)]
    recorded = next((case["response"]["plugins"] for case in cases if case["name"] == "plugins found"), [])
    return discover(roots), [entry if isinstance(entry, str) else entry["id"] for entry in recorded]


def test_the_recorded_folders_hold_the_recorded_plugins_and_each_fault_is_told(tmp_path):
    found, recorded = as_recorded("discovery.6.3", tmp_path)

    assert set(ids(found)) == {*recorded, "alpha-ds"}  # the recorded list leaves out what is in alpha state
    assert {plugin.id: plugin.name for plugin in found.plugins}["dup-a"] == "first"
    assert {plugin.id: plugin.name for plugin in found.plugins}["dist-ds"] == "from dist"
    assert {(place, key) for place, key, _ in complaints(found, tmp_path)} == {
        ("plugins/b-dup/plugin.json", "id"),
        ("plugins/emptyfile/plugin.json", ""),
        ("plugins/noid/plugin.json", "id"),
        ("plugins/notjson/plugin.json", ""),
        ("plugins/notype/plugin.json", "type"),
        ("plugins/unknowntype/plugin.json", "type"),
        ("plugins/upper/PLUGIN.JSON", ""),
        ("plugins/wrongtype/plugin.json", "id"),
    }


@pytest.mark.parametrize(
    ("scenario", "found_ids", "place", "key"),
    [
        ("discovery-bad-field.7.5.5", ["z-ds"], "plugins/aa/plugin.json", "metrics"),
        ("discovery-bad-role.7.5.5", ["z-ds"], "plugins/aa/plugin.json", "routes[0].reqRole"),
        ("discovery-broken-link.7.5.5", ["a-ds", "z-ds"], "plugins/mm", ""),
        ("discovery-link-twice.7.5.5", ["e-ds", "z-ds"], "plugins/l2", ""),
        ("discovery-unknown-type.7.5.5", ["z-ds"], "plugins/aa/plugin.json", "type"),
    ],
)
def test_what_stops_the_reference_or_empties_it_costs_one_plugin_here(
    tmp_path, scenario, found_ids, place, key
):
    found, _ = as_recorded(scenario, tmp_path)
    assert ids(found) == found_ids
    assert [(where, what) for where, what, _ in complaints(found, tmp_path)] == [(place, key)]


def test_a_problem_reads_as_path_key_and_what_to_change(tmp_path):
    plugin(tmp_path, "a-ds", metrics="yes")
    [problem] = discover([tmp_path]).problems
    assert str(problem) == (
        f"{tmp_path}/plugin.json: metrics: Expected bool, got str; write true or false, without quotes"
    )
    assert problem.plugin_id == "a-ds"


def test_folders_are_searched_by_the_bytes_of_their_names_a_plugin_before_what_is_in_it(tmp_path):
    for name in ("b", "a/nested", "a", "B", "ä", ".hidden"):
        plugin(tmp_path / name, name)
    assert ids(discover([tmp_path])) == [".hidden", "B", "a", "a/nested", "b", "ä"]


def test_a_root_may_itself_be_a_plugin_and_relative(tmp_path, monkeypatch):
    plugin(tmp_path / "one", "one")
    monkeypatch.chdir(tmp_path)
    [found] = discover([Path("one")]).plugins
    assert found.folder == tmp_path / "one"


def test_of_two_plugins_with_one_id_the_one_of_the_first_root_stays(tmp_path):
    plugin(tmp_path / "late" / "a", "same", name="late")
    plugin(tmp_path / "early" / "z", "same", name="early")
    found = discover([tmp_path / "early", tmp_path / "late"])
    assert [plugin.name for plugin in found.plugins] == ["early"]
    place, message = only_complaint(found, tmp_path)
    assert place == "late/a/plugin.json"
    assert f"'same' is taken by the plugin in {tmp_path}/early/z" in message


def test_a_dist_folder_is_searched_in_place_of_what_is_beside_it(tmp_path):
    plugin(tmp_path / "p", "source")
    plugin(tmp_path / "p" / "src", "more-source")
    plugin(tmp_path / "p" / "dist", "built")
    assert (ids(found := discover([tmp_path])), found.problems) == (["built"], ())


def test_a_dist_folder_without_a_plugin_is_reported_since_it_hides_its_neighbours(tmp_path):
    plugin(tmp_path / "p" / "src", "source")
    (tmp_path / "p" / "dist").mkdir()
    place, message = only_complaint(discover([tmp_path]), tmp_path)
    assert place == "p/dist"
    assert "build the plugin" in message


@pytest.mark.parametrize("name", ["node_modules", "Chromium.app", "__pycache__", ".git"])
def test_folders_of_tools_are_passed_over(tmp_path, name):
    plugin(tmp_path / name / "x", "in-there")
    assert discover([tmp_path]) == Discovery()


def test_a_virtual_environment_is_passed_over_with_its_odd_links(tmp_path):
    plugin(tmp_path, "a-ds")
    write(tmp_path / "venv" / "pyvenv.cfg", "home = /usr")
    plugin(tmp_path / "venv" / "lib" / "somebody", "in-there")
    (tmp_path / "venv" / "lib64").symlink_to("lib")
    assert (ids(found := discover([tmp_path])), found.problems) == (["a-ds"], ())


def linked_to_nothing(root: Path) -> str:
    (root / "m").symlink_to(root / "gone")
    return f"leads to {root}/gone, which does not exist"


def linked_to_itself(root: Path) -> str:
    (root / "m").symlink_to("m")
    return "leads in a circle"


def linked_to_its_own_parent(root: Path) -> str:
    (root / "m").symlink_to(root)
    return "leads back to a folder that it is in"


def linked_to_a_neighbour(root: Path) -> str:
    (root / "m").symlink_to(root / "a")
    return f"is the same folder as {root}/a, searched already"


@pytest.mark.parametrize(
    "oddity", [linked_to_nothing, linked_to_itself, linked_to_its_own_parent, linked_to_a_neighbour]
)
def test_an_odd_link_is_reported_and_hides_nothing(tmp_path, oddity: Callable[[Path], str]):
    plugin(tmp_path / "a", "before")
    plugin(tmp_path / "z", "after")
    complaint = oddity(tmp_path)
    found = discover([tmp_path])
    assert ids(found) == ["before", "after"]
    place, message = only_complaint(found, tmp_path)
    assert place == "m"
    assert complaint in message


def test_two_links_to_a_folder_without_plugins_are_nobody_s_business(tmp_path):
    plugin(tmp_path / "a", "a-ds")
    (tmp_path / "a" / "img").mkdir()
    (tmp_path / "a" / "pictures").symlink_to("img")
    assert discover([tmp_path]).problems == ()


def test_links_in_a_circle_through_two_folders_end(tmp_path):
    plugin(tmp_path / "a", "a-ds")
    plugin(tmp_path / "b", "b-ds")
    (tmp_path / "a" / "to-b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to-a").symlink_to(tmp_path / "a")
    found = discover([tmp_path])
    assert ids(found) == ["a-ds", "b-ds"]
    assert [place for place, _, _ in complaints(found, tmp_path)] == ["a/to-b/to-a", "b"]


def test_roots_that_are_missing_or_no_folder_are_reported_and_the_next_is_searched(tmp_path):
    write(tmp_path / "file", "x")
    plugin(tmp_path / "good", "good")
    found = discover([tmp_path / "missing", tmp_path / "file", tmp_path / "good"])
    assert ids(found) == ["good"]
    (first, _, missing), (second, _, no_folder) = complaints(found, tmp_path)
    assert (first, second) == ("missing", "file")
    assert "make this folder or correct the setting" in missing
    assert "is not a folder" in no_folder


@pytest.fixture
def as_plain_user() -> Iterator[Path]:
    """A folder of a user whom permissions stop; tests may run as root, whom nothing stops."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        folder = Path(tempfile.mkdtemp(dir="/tmp"))
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
    shutil.rmtree(folder)


def test_a_folder_or_file_that_may_not_be_read_costs_only_itself(as_plain_user):
    root = as_plain_user
    plugin(root / "a", "a-ds")
    plugin(root / "m", "m-ds").chmod(0)
    plugin(root / "n", "n-ds")
    (root / "n" / "plugin.json").chmod(0)
    plugin(root / "z", "z-ds")
    found = discover([root])
    (root / "m").chmod(0o700)
    assert ids(found) == ["a-ds", "z-ds"]
    (first, _, no_folder), (second, _, no_file) = complaints(found, root)
    assert (first, second) == ("m", "n/plugin.json")
    assert "cannot be searched: Permission denied" in no_folder
    assert "cannot be read: Permission denied" in no_file


def test_the_walk_ends_at_a_depth(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "MAX_DEPTH", 3)
    plugin(tmp_path / "1" / "2", "inside")
    plugin(tmp_path / "1" / "2" / "3", "too-deep")
    found = discover([tmp_path])
    assert ids(found) == ["inside"]
    place, message = only_complaint(found, tmp_path)
    assert place == "1/2/3"
    assert "more than 3 folders deep" in message


def test_a_folder_with_too_many_folders_takes_nothing_from_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "MAX_FOLDERS", 5)
    for number in range(20):
        (tmp_path / "huge" / f"{number:02}").mkdir(parents=True)
    plugin(tmp_path / "small", "small")
    found = discover([tmp_path])
    assert ids(found) == ["small"]
    place, message = only_complaint(found, tmp_path)
    assert place == "huge"
    assert "more than 5 folders" in message


def test_a_folder_called_plugin_json_is_reported_and_searched(tmp_path):
    plugin(tmp_path / "plugin.json" / "x", "inside")
    found = discover([tmp_path])
    assert ids(found) == ["inside"]
    assert only_complaint(found, tmp_path) == (
        "plugin.json",
        "is not a regular file; put one there, or give this another name",
    )


def test_a_name_that_is_no_text_can_be_printed(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    plugin(folder, "")
    [problem] = discover([tmp_path]).problems
    str(problem).encode()
    assert printable(folder).endswith("/�")


def by_id(found: Discovery) -> dict[str, InstalledPlugin]:
    return {plugin.id: plugin for plugin in found.plugins}


def test_a_plugin_inside_an_app_s_folder_belongs_to_the_app(tmp_path):
    write(tmp_path / "app" / "dist" / "plugin.json", {"id": "the-app", "type": "app"})
    plugin(tmp_path / "app" / "dist" / "deep" / "nested", "inner")
    plugin(tmp_path / "other", "outer")
    found = by_id(discover([tmp_path]))
    assert (found["inner"].app, found["outer"].app, found["the-app"].app) == (found["the-app"], None, None)
    assert found["inner"].base_url == found["the-app"].base_url == "public/plugins/the-app"
    assert found["inner"].module == "plugins/the-app/deep/nested/module"
    assert found["outer"].module == "plugins/outer/module"


@pytest.mark.parametrize(
    ("kind", "backend", "launched"),
    [
        ("datasource", True, True),
        ("app", True, True),
        ("datasource", False, False),
        ("panel", True, False),
        ("renderer", True, False),
        ("secretsmanager", True, False),
    ],
)
def test_only_data_sources_and_apps_have_a_process_to_launch(tmp_path, kind, backend, launched):
    write(tmp_path / "plugin.json", {"id": "x", "type": kind, "backend": backend})
    [found] = discover([tmp_path]).plugins
    assert found.backend is launched


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({"executable": "gpx"}, True),
        ({"executable": "gpx", "backend": True}, False),
        ({"executable": "gpx", "type": "panel"}, False),
        ({}, False),
    ],
)
def test_an_executable_that_nobody_would_launch_is_told(
    tmp_path: Path, fields: dict[str, Any], is_told: bool
) -> None:
    plugin(tmp_path / "a", "acme", **fields)
    found = discover([tmp_path])
    assert ids(found) == ["acme"]
    told = [(place, key) for place, key, _ in complaints(found, tmp_path)]
    assert told == ([("a/plugin.json", "backend")] if is_told else [])
