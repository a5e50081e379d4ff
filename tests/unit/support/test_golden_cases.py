from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.golden.areas import RECORDINGS
from support.golden.cases import NotAScenario, read_scenario
from support.golden.placeholders import Placeholders


def written(tmp_path: Path, *cases: dict[str, Any]) -> Path:
    file = tmp_path / "anything.json"
    defaults = {"name": "n", "engine": "7.5.5", "scenario": "s"}
    file.write_text(json.dumps([{**defaults, "seq": seq, **case} for seq, case in enumerate(cases)]))
    return file


@pytest.mark.parametrize(
    ("request_entry", "sent"),
    [
        ({}, None),
        ({"body": None}, "null"),
        ({"body": {"a": [1, "é"]}}, '{"a":[1,"é"]}'),
        ({"body": None, "body_text": ""}, ""),
        ({"body": {"a": 1.0}, "body_text": '{"a": 1e0}'}, '{"a": 1e0}'),
    ],
)
def test_a_request_has_the_text_that_was_sent(
    tmp_path: Path, request_entry: dict[str, Any], sent: str | None
) -> None:
    file = written(tmp_path, {"request": {"method": "POST", "path": "/x?q=1", **request_entry}})
    request = read_scenario(file).cases[0].request
    assert request is not None
    assert request.body == sent
    assert request.route == "/x"


def test_headers_may_be_an_object_or_pairs(tmp_path: Path) -> None:
    as_object = {"request": {"method": "GET", "path": "/", "headers": {"A": "1"}}}
    as_pairs = {"request": {"method": "GET", "path": "/", "headers": [["A", "1"], ["A", "2"]]}}
    first, second = (case.request for case in read_scenario(written(tmp_path, as_object, as_pairs)).cases)
    assert first is not None
    assert first.headers == (("A", "1"),)
    assert second is not None
    assert second.headers == (("A", "1"), ("A", "2"))


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1]", '[{"name": "n"}]', '{"a": ['])
def test_a_file_that_is_no_scenario_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "odd.json"
    file.write_text(content)
    with pytest.raises(NotAScenario, match=r"odd\.json"):
        read_scenario(file)


def test_every_recorded_exchange_is_read() -> None:
    files = sorted((RECORDINGS / "http-api").glob("*.json"))
    assert sum(len(read_scenario(file).cases) for file in files) > 1000


def test_placeholders_are_filled_at_any_depth_and_masked_again() -> None:
    placeholders = Placeholders({"UPSTREAM": "127.0.0.1:99", "RUNDIR": "/tmp/run"})
    placeholders.learn("KEY_VIEWER", "k3y")
    recorded = {"url": "http://{{UPSTREAM}}/x", "list": ["{{RUNDIR}}/plugins", "{{KEY_VIEWER}}", "{{OTHER}}"]}
    filled = {"url": "http://127.0.0.1:99/x", "list": ["/tmp/run/plugins", "k3y", "{{OTHER}}"]}
    assert placeholders.fill(recorded) == filled
    assert (
        placeholders.mask("at /tmp/run/plugins with 127.0.0.1:99")
        == "at {{RUNDIR}}/plugins with {{UPSTREAM}}"
    )
