"""Frames kept in files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_json import read_frame_json
from graftage.testing import Answer, assert_golden
from graftage.testing.golden import UPDATE


def frame(*values: float) -> Frame:
    return Frame(
        (Field("rain", FieldType.FLOAT64, np.array(values, np.float64), labels={"station": "EDDB"}),),
        ref_id="A",
    )


@pytest.fixture(autouse=True)
def _no_update(monkeypatch):
    monkeypatch.delenv(UPDATE, raising=False)


def test_a_file_is_written_on_demand_only(tmp_path, monkeypatch):
    file = tmp_path / "golden" / "rain.json"
    with pytest.raises(AssertionError, match=r"rain\.json does not exist; write it with pytest --graftage-"):
        assert_golden(frame(1.5), file)
    assert not file.exists()
    monkeypatch.setenv(UPDATE, "1")
    assert_golden(frame(1.5), file)
    monkeypatch.setenv(UPDATE, "0")
    assert_golden(frame(1.5), file)


def test_what_differs_is_told(tmp_path):
    file = tmp_path / "rain.json"
    assert_golden(frame(1.5, 2.5), file, update=True)
    with pytest.raises(AssertionError, match=r"holds something else") as error:
        assert_golden(frame(1.5, 3.5), file)
    assert '-    "data": {"values": [[1.5, 2.5]]}' in str(error.value)
    assert '+    "data": {"values": [[1.5, 3.5]]}' in str(error.value)


def test_a_file_is_laid_out_to_be_read(tmp_path):
    file = tmp_path / "rain.json"
    assert_golden([frame(*range(60))], file, update=True)
    lines = file.read_text().splitlines()
    assert max(map(len, lines)) <= 100
    (kept,) = json.loads(file.read_text())
    assert read_frame_json(json.dumps(kept)).fields[0].values.tolist() == list(range(60))


def test_how_a_file_is_laid_out_does_not_matter(tmp_path):
    file = tmp_path / "rain.json"
    assert_golden(frame(1, 2), file, update=True)
    file.write_text(json.dumps(json.loads(file.read_text()), indent=8))
    assert_golden(frame(1, 2), file)


def test_answers_are_kept_with_their_errors(tmp_path):
    file = tmp_path / "answers.json"
    answers = {
        "A": Answer("A", (frame(1),)),
        "B": Answer("B", error="no station", status=404, source="plugin"),
    }
    assert_golden(answers, file, update=True)
    assert json.loads(file.read_text())["B"]["error"] == "no station"
    with pytest.raises(AssertionError, match="no station"):
        assert_golden({**answers, "B": Answer("B", error="other", status=404, source="plugin")}, file)
    assert_golden(answers["B"], tmp_path / "b.json", update=True)
