"""Go programs of the interoperability tests, built once a machine and again when their sources change.

Three eras of the plugin system: `old` is go-plugin of early 2018 (before version negotiation and the
Shutdown service), `grafana6` its release 1.0.1, `current` its newest. Each builds the same two programs,
`plugin` and `host`. Beside them `judge` reads frames with Grafana's own libraries, and
`brokerplugin` and `brokerhost` make further connections.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ERAS = {"old": "old.mod", "grafana6": "grafana6.mod", "current": "go.mod"}
SOURCES = Path(__file__).parents[1] / "interop" / "go"
BUILD = Path(__file__).parents[2] / "build" / "interop"


def build(era: str) -> Path:
    """The folder with `plugin` and `host` of that era. Without Go it skips the test, or fails it in CI."""
    return _built(era, ERAS[era], "plugin", "host")


def build_judge() -> Path:
    """The program `judge`; without Go as above."""
    return _built("sdata", "sdata.mod", "judge") / "judge"


def build_brokers() -> Path:
    """The folder with `brokerplugin` and `brokerhost`; without Go as above."""
    return _built("brokers", "go.mod", "brokerplugin", "brokerhost")


def _built(name: str, modules: str, *programs: str) -> Path:
    go = shutil.which("go")
    if go is None:
        if os.environ.get("CI"):
            pytest.fail("no `go` on PATH; the interoperability tests need it in CI")
        pytest.skip("no `go` on PATH; install Go 1.24 or later to test against real Go plugins and hosts")
    folder = BUILD / name
    stamp = folder / "sources"
    digest = _digest()
    if not stamp.is_file() or stamp.read_text() != digest:
        folder.mkdir(parents=True, exist_ok=True)
        built = subprocess.run(
            [
                go,
                "build",
                f"-modfile={modules}",
                "-o",
                f"{folder}/",
                *(f"./{program}" for program in programs),
            ],
            cwd=SOURCES,
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, f"go build of the {name} programs failed:\n{built.stderr}"
        stamp.write_text(digest)
    return folder


def _digest() -> str:
    hashed = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in {".go", ".mod", ".sum"}:
            hashed.update(path.relative_to(SOURCES).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()
