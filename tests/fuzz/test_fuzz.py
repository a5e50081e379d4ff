"""A short run of each fuzzing target from what is kept; long ones are for people: see the package."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz.targets import CORPUS, TARGETS
from support.golden.areas import recordings

SECONDS = 2
TESTS = Path(__file__).parent.parent
# Recordings to begin from, besides what is kept here.
RECORDED = {"arrow_reader": [recordings() / "frames" / "arrow", recordings() / "frames" / "dataplane"]}


@pytest.mark.parametrize("target", TARGETS)
def test_everything_that_is_kept_is_decoded_or_refused(target: str) -> None:
    kept = sorted((CORPUS / target).iterdir())
    assert kept
    for file in kept:
        TARGETS[target](file.read_bytes())


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this platform")
@pytest.mark.parametrize("target", TARGETS)
def test_made_up_bytes_are_decoded_or_refused(target: str, tmp_path: Path) -> None:
    folders = [folder for folder in (CORPUS / target, *RECORDED.get(target, ())) if folder.is_dir()]
    found = tmp_path / "found"
    found.mkdir()
    # The first folder is where libFuzzer keeps what it finds.
    run = subprocess.run(
        [
            *(sys.executable, "-m", "fuzz", target, f"-max_total_time={SECONDS}", "-seed=1"),
            *(f"-artifact_prefix={tmp_path}/", str(found), *map(str, folders)),
        ],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert "Done" in run.stderr
