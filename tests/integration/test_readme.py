"""What the README shows is what happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"the README shows no {language}"
    return found.group(1)


def test_the_plugin_in_ten_lines_answers(tmp_path: Path) -> None:
    script = tmp_path / "waves.py"
    script.write_text(_block("python"))
    script.chmod(0o755)
    (tmp_path / "plugin.json").write_text(_block("json"))
    # As in an activated environment: `python3` is the one that has graftage.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    asked = subprocess.run(
        [sys.executable, "-m", "graftage", "query", "--plugin", tmp_path, "--format", "json", "{}"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert asked.returncode == 0, asked.stderr
    (frame,) = json.loads(asked.stdout)["results"]["A"]["frames"]
    _, values = frame["data"]["values"]
    assert len(values) == 100
    assert all(-1 <= value <= 1 for value in values)
