from __future__ import annotations

import json
from pathlib import Path

import pytest

from graftage.sdk.by_hand import explanation, switch_answer


@pytest.fixture
def script(tmp_path: Path) -> str:
    described = {"id": "acme-weather", "info": {"version": "1.2.3", "updated": "2026-11-22"}}
    (tmp_path / "plugin.json").write_text(json.dumps(described))
    return str(tmp_path / "weather.py")


def test_the_explanation_names_the_file_and_both_ways_to_run_it() -> None:
    text = explanation("/opt/plugins/weather.py", "/opt/venv/bin/python")

    assert "weather.py is a backend plugin of Grafana" in text
    assert "graftage query --plugin /opt/plugins/weather.py" in text
    assert "[paths] plugins" in text


def test_the_explanation_has_every_step_to_a_file_that_grafana_starts() -> None:
    text = explanation("/opt/plugins/weather.py", "/opt/venv/bin/python")

    for step in ("#!/opt/venv/bin/python", "<executable>_linux_amd64", "chmod +x"):
        assert step in text
    assert text.count("\n") <= 12


def test_the_explanation_lists_the_flags_and_names_one_that_is_none() -> None:
    for given in ("--listen", "--tls-ca", "--no-tls", "-standalone", "-buildinfo"):
        assert given in explanation("weather.py", "python", ["--help"])
        assert "no flag" not in explanation("weather.py", "python", [given])
    assert "--lisen is no flag that `serve` knows.\n" in explanation(
        "weather.py", "python", ["--lisen=127.0.0.1:0"]
    )


@pytest.mark.parametrize("switch", ["-version", "--version"])
def test_the_version_is_that_of_the_plugin_json_beside_the_file(script: str, switch: str) -> None:
    assert switch_answer([switch], script) == "1.2.3"


def test_the_build_information_is_a_json_object(script: str) -> None:
    assert json.loads(switch_answer(["-buildinfo"], script) or "") == {
        "time": "2026-11-22",
        "pluginID": "acme-weather",
        "version": "1.2.3",
    }


@pytest.mark.parametrize("content", [None, "{", "[]", '{"info": 3, "id": null}'])
def test_a_missing_or_broken_plugin_json_is_no_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "plugin.json").write_text(content)
    script = str(tmp_path / "weather.py")

    assert switch_answer(["-version"], script) == "unknown"
    assert json.loads(switch_answer(["-buildinfo"], script) or "") == {
        "time": "",
        "pluginID": "",
        "version": "",
    }


@pytest.mark.parametrize("arguments", [[], ["-standalone"], ["x", "-version"]])
def test_other_arguments_are_none_of_its_business(arguments: list[str], script: str) -> None:
    assert switch_answer(arguments, script) is None
