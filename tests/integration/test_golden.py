"""Recorded exchanges of real Grafana servers, replayed against a real server with real plugin processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.golden.areas import RECORDINGS, Outcome, replay_exchanges
from support.golden.judge import Verdict
from support.golden.run_folder import REPOSITORY

pytestmark = pytest.mark.timeout(240)

# Everything that `/api/tsdb/query` can lead to is as Grafana 7.5.5 has it, or better on purpose.
SCENARIOS = ("series", "tables", "errors", "requests", "ranges", "lifecycle", "basics")
# And what plugins of version 2 can be asked; all they are told has the uid of the data source, which Grafana
# 7.5.5 forgets to send, so that little is exactly as recorded.
VERSION_2 = ("ds-query-v1", "v2-data", "v2-health", "v2-resources")


def replayed(scenarios: Sequence[str]) -> Sequence[Outcome]:
    return tuple(replay_exchanges([RECORDINGS / "http-api" / f"{name}.7.5.5.json" for name in scenarios]))


@pytest.fixture(scope="module")
def outcomes() -> Sequence[Outcome]:
    return replayed(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_query_scenario_is_as_recorded_or_deliberately_different(
    scenario: str, outcomes: Sequence[Outcome]
) -> None:
    own = [outcome for outcome in outcomes if outcome.name.startswith(f"{scenario}.")]
    assert len(own) > 10
    assert [one for one in own if one.verdict not in {Verdict.AS_RECORDED, Verdict.DELIBERATE}] == []


def test_most_answers_are_as_recorded(outcomes: Sequence[Outcome]) -> None:
    as_recorded = [outcome for outcome in outcomes if outcome.verdict is Verdict.AS_RECORDED]
    assert len(as_recorded) > 0.75 * len(outcomes)


def test_plugins_of_version_2_are_asked_and_shown_as_recorded_or_deliberately_different() -> None:
    outcomes = replayed(VERSION_2)
    assert len(outcomes) > 100
    different = [one for one in outcomes if one.verdict not in {Verdict.AS_RECORDED, Verdict.DELIBERATE}]
    assert {one.details[0] for one in different} <= {"data sources that come with Grafana"}


def test_recordings_of_any_name_are_replayed_and_a_wrong_answer_is_found(tmp_path: Path) -> None:
    cases: list[dict[str, Any]] = json.loads((RECORDINGS / "http-api" / "errors.7.5.5.json").read_text())[:4]
    cases = [{**case, "scenario": "unheard-of"} for case in cases]
    wrong_body, wrong_request = cases[1], cases[2]
    wrong_body["response"]["body_text"] = wrong_body["response"]["body_text"].replace("no such", "such")
    wrong_request["plugin_request"]["queries"][0]["intervalMs"] = "2000"
    write(tmp_path / "http-api" / "held out.json", cases)
    write(tmp_path / "alerting" / "one.json", {})

    replayed = subprocess.run(
        [sys.executable, "-m", "support.golden", tmp_path / "story.txt"],
        cwd=REPOSITORY / "tests",
        env={**os.environ, "GRAFTAGE_GOLDEN": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert replayed.returncode == 1, replayed.stderr
    assert replayed.stdout.splitlines()[:2] == [
        "http-api: 2 as recorded, 0 deliberate, 2 different, 0 not built yet",
        "alerting: 0 as recorded, 0 deliberate, 0 different, 1 not built yet",
    ]
    story = (tmp_path / "story.txt").read_text()
    assert "body: expected" in story
    assert "plugin request: at /queries/0/intervalMs: expected '2000', got '1000'" in story


def write(path: Path, content: Sequence[Any] | Mapping[str, Any]) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(content))
