"""The examples of docs/testing.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_s_tests_pass_on_every_run(pytester):
    plugin, *tests = EXAMPLES
    assert len(tests) == 3
    pytester.makepyfile(weather=plugin, **{f"test_{number}": text for number, text in enumerate(tests)})
    # Other plugins take a second to load each time.
    options = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio")
    pytester.runpytest_subprocess(*options, "--graftage-update-golden").assert_outcomes(passed=3)
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=3)
