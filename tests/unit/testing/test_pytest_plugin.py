"""What pytest offers once graftage is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "graftage.testing.pytest_plugin"
TESTS = """
import asyncio

class Weather:
    def query(self, query):
        return {"rain": [1.5]}

def test_in_a_plain_function(graftage_client):
    from graftage.testing import assert_golden
    answers = graftage_client(Weather).query(A={}, last="1h")
    assert_golden(answers, "golden/rain.json")

def test_in_a_coroutine(plugin_client):
    async def ask():
        async with plugin_client(Weather) as client:
            return await client.query(A={})
    assert asyncio.run(ask())["A"].frame.fields[0].values.tolist() == [1.5]
"""


def test_fixtures_ask_a_plugin_and_the_option_writes_golden_files(pytester):
    pytester.makepyfile(TESTS)
    # Other plugins take a second to load each time.
    options = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:anyio")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1, failed=1)
    pytester.runpytest_subprocess(*options, "--graftage-update-golden").assert_outcomes(passed=2)
    assert '"rain"' in Path(pytester.path, "golden", "rain.json").read_text()


def test_the_plugin_loads_nothing_of_weight():
    code = (
        f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["graftage", "graftage.testing", PLUGIN]


def server_only() -> list[str]:
    """What only the extra `server` brings, by the names it is imported under."""
    project = tomllib.loads(Path(__file__).parents[3].joinpath("pyproject.toml").read_text())["project"]
    names = (re.match(r"[\w-]+", line) for line in project["optional-dependencies"]["server"])
    return [name[0].replace("-", "_") for name in names if name]


@pytest.mark.parametrize("process", [False, True])
def test_plugins_are_tested_without_what_only_a_server_needs(process, tmp_path):
    code = f"""
import asyncio, sys
for name in {server_only()}:
    sys.modules[name] = None  # importing it fails
from graftage.testing import plugin_client

class Weather:
    def query(self, query):
        return {{"rain": [1.5]}}

async def main():
    async with plugin_client(Weather, process={process}) as client:
        print((await client.query(A={{}}))["A"].frame.fields[0].values.tolist())

if __name__ == "__main__":
    asyncio.run(main())
"""
    script = tmp_path / "test_it.py"
    script.write_text(code)
    answer = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert answer.stdout == "[1.5]\n", answer.stderr
