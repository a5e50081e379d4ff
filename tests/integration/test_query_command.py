"""`graftage query --plugin`: a plugin is asked with no server at all."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Answers what it was told: the settings of its data source, and the query.
ECHO = """\
import json, logging, os, sys
from graftage import DataSource, PluginError, serve

class Echo(DataSource):
    def query(self, query):
        if query.model.get("fail"):
            raise PluginError("asked to fail")
        if query.model.get("die"):
            print("last words", file=sys.stderr, flush=True)
            os._exit(7)
        settings = query.settings
        if query.model.get("break"):
            logging.getLogger("mine").debug("not worth a line")
            return {}["foo"]
        told = {
            "url": settings.url, "name": settings.name, "id": settings.id, "json": settings.json,
            "secrets": dict(settings.secrets), "model": query.model, "points": query.max_data_points,
        }
        print("a line of its own")
        return {"key": list(told), "value": [json.dumps(value) for value in told.values()]}

serve(Echo)
"""
PRINTED = "  | a line of its own\n"


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    (tmp_path / "plugin.json").write_text(
        json.dumps({"id": "echo-datasource", "type": "datasource", "backend": True, "executable": "echo"})
    )
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path


def ask(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "graftage", "query", *map(str, arguments)],
        env=os.environ | environment,
        text=True,
        capture_output=True,
        timeout=50,
        check=False,
    )


def test_a_plugin_gets_the_settings_and_secrets_of_the_command_line(echo: Path) -> None:
    (echo / "key.txt").write_text("from a file\n")
    run = ask(
        "--plugin", echo, "--set", "url=http://x/?a=b", "--set", "name=n", "--set", "id=9",
        "--json", '{"k": 1.0}',
        "--secret", "token=MY_TOKEN", "--secret-file", f"key={echo / 'key.txt'}", "--format", "csv",
        "--max-data-points", "7", '{"target": "x"}',
        MY_TOKEN="s3cret",
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, PRINTED)
    told = {key: json.loads(value) for key, value in list(csv.reader(io.StringIO(run.stdout)))[1:]}
    assert told == {
        "url": "http://x/?a=b",
        "name": "n",
        "id": 9,
        "json": {"k": 1.0},
        "secrets": {"token": "s3cret", "key": "from a file"},
        "model": {
            "datasource": {"type": "echo-datasource", "uid": "echo-datasource"},
            "maxDataPoints": 7,
            "refId": "A",
            "target": "x",
        },
        "points": 7,
    }


def test_a_script_serves_without_a_folder_and_without_an_exec_bit(echo: Path) -> None:
    run = ask("--plugin", echo / "echo.py", "--format", "json", "B={}")
    assert (run.returncode, run.stderr) == (0, PRINTED)
    (frame,) = json.loads(run.stdout)["results"]["B"]["frames"]
    assert [field["name"] for field in frame["schema"]["fields"]] == ["key", "value"]


def test_a_query_that_fails_is_told_and_the_other_is_shown(echo: Path) -> None:
    run = ask("--plugin", echo, "{}", 'B={"fail": true}')
    assert run.returncode == 1
    assert "A  7 rows" in run.stdout
    assert PRINTED in run.stderr
    assert run.stderr.endswith("\nerror: B: asked to fail\n")


def test_an_author_sees_the_traceback_of_a_handler_and_no_debug_records(echo: Path) -> None:
    run = ask("--plugin", echo, '{"break": true}')
    assert run.returncode == 1
    before, traceback, after = run.stderr.partition("  | Traceback (most recent call last):\n")
    assert before.startswith("  | the query failed: ")
    assert before.count("\n") == 1
    assert "refId=A" in before
    assert traceback
    assert '  |     return {}["foo"]\n' in after
    assert "  | KeyError: 'foo'\nerror: A: " in after


def test_a_plugin_that_dies_is_told_with_its_last_words(echo: Path) -> None:
    run = ask("--plugin", echo, '{"die": true}')
    assert run.returncode == 1
    assert "status 7" in run.stderr
    assert "  | last words" in run.stderr


def test_a_plugin_that_does_not_start_is_told_with_its_last_words_once(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\necho no licence >&2\nexit 3\n")
    plugin.chmod(0o755)
    run = ask("--plugin", plugin, "{}")
    assert run.returncode == 1
    assert "status 3" in run.stderr
    assert run.stderr.count("no licence") == 1


def test_a_time_that_cannot_be_read_is_told_before_a_plugin_starts(echo: Path) -> None:
    (echo / "echo.py").write_text("raise SystemExit('started')")
    run = ask("--plugin", echo, "--from", "yesterday", "{}")
    assert run.returncode == 2
    assert "'yesterday' cannot be read" in run.stderr.replace('"', "'")
    assert "started" not in run.stderr


def test_the_answer_is_what_a_server_would_say() -> None:
    folder = ROOT / "bench" / "plugin"
    run = ask("--plugin", folder, "--format", "json", '{"series": 1, "points": 3}')
    assert (run.returncode, run.stderr) == (0, "")
    result = json.loads(run.stdout)["results"]["A"]
    (frame,) = result["frames"]
    assert result["status"] == 200
    assert frame["schema"]["fields"][1]["labels"] == {"host": "a"}
    assert frame["data"]["values"] == [
        [1555324640782, 1555324641782, 1555324642782],
        [0, 9.983341664682815, 19.866933079506122],
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_a_plugin_of_either_version_is_asked_and_shown_alike(tmp_path: Path, version: int) -> None:
    plugin = tmp_path / "plugin"
    script = ROOT / "bench" / "plugin" / "bench.py"
    # What hides from the plugin the other versions that the host offers.
    plugin.write_text(f"#!/bin/sh\nPLUGIN_PROTOCOL_VERSIONS={version} exec {sys.executable} {script}\n")
    plugin.chmod(0o755)
    run = ask("--plugin", plugin, "--format", "csv", '{"points": 1}')
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[1:] == ['series,"{""host"": ""a""}",2019-04-15T10:37:20.782Z,0']


def test_a_query_type_reaches_the_handler(echo: Path) -> None:
    answer = '        return {"type": [query.query_type]}'
    (echo / "echo.py").write_text(
        ECHO.replace("def query(self, query):", f"def query(self, query):\n{answer}")
    )
    run = ask("--plugin", echo, "--query-type", "search", "--format", "csv", "{}")
    assert (run.returncode, run.stdout.split()) == (0, ["type", "search"])
