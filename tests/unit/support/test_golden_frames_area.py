"""The area of recorded frames: each reading is judged, and one that differs is seen."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

from support.golden.areas import recordings
from support.golden.frames import judge_frames
from support.golden.judge import Verdict

FOLDER = recordings() / "frames"


def counts(folder: Path) -> Counter[Verdict]:
    files = sorted(entry for entry in folder.rglob("*") if entry.is_file())
    return Counter(verdict for _, verdict, _ in judge_frames(files))


def test_every_reading_is_as_recorded_or_as_newer_grafanas_read() -> None:
    found = counts(FOLDER)
    assert found[Verdict.DIFFERENT] == 0
    assert found[Verdict.AS_RECORDED] > 5 * found[Verdict.DELIBERATE]


def test_a_frame_that_is_another_one_is_different(tmp_path: Path) -> None:
    (tmp_path / "arrow").mkdir()
    lines = [json.loads(line) for line in (FOLDER / "go-sdk-2026-08.jsonl").read_bytes().splitlines()]
    accepted, other = [one for one in lines if one["ok"]][:2]
    refused = next(one for one in lines if not one["ok"])
    shutil.copy(FOLDER / "arrow" / other["file"], tmp_path / "arrow" / accepted["file"])
    shutil.copy(FOLDER / "arrow" / other["file"], tmp_path / "arrow" / refused["file"])
    shutil.copy(FOLDER / "arrow" / refused["file"], tmp_path / "arrow" / other["file"])
    (tmp_path / "go-sdk-x.jsonl").write_text("\n".join(map(json.dumps, (accepted, other, refused))))

    assert counts(tmp_path) == {Verdict.DIFFERENT: 3}
