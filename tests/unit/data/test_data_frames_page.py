"""The examples of docs/data-frames.md run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "data-frames.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TIMES = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (1, 2)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str) -> None:
    exec(compile(example, "data-frames.md", "exec"), {"times": TIMES})


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2
