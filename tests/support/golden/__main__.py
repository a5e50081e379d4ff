"""`make golden`: replay the recordings, print a line for each area, write build/golden.txt.

An argument is another place for the story.
"""

from __future__ import annotations

import sys
from pathlib import Path

from support.golden.areas import recordings, run_areas
from support.golden.judge import Verdict
from support.golden.report import story, summary
from support.golden.run_folder import REPOSITORY

STORY = REPOSITORY / "build" / "golden.txt"


def main(file: Path = STORY) -> int:
    """0 unless an answer is different."""
    reports = run_areas(recordings())
    file.parent.mkdir(exist_ok=True)
    file.write_text(story(reports), encoding="utf-8")
    for report in reports:
        print(summary(report))
    if any(report.counts[Verdict.DIFFERENT] for report in reports):
        print(f"{file} says what is different")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
