"""Go programs of the interoperability tests, built once a machine and again when their sources change.

Three eras of the plugin system: `old` is go-plugin of early 2018 (before version negotiation and the
Shutdown service), `grafana6` its release 1.0.1, `current` its newest. Each builds the same two programs,
`plugin` and `host`, for version 1 of the protocol. `brokerplugin` and `brokerhost` make further connections.
On Grafana's current SDK, `sdkplugin` and `sdkhost` speak version 2, and `judge` reads frames.

To build all of them takes minutes the first time, so it begins behind the other tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ERAS = ("current", "grafana6", "old")
SOURCES = Path(__file__).parents[1] / "interop" / "go"
NO_DEBUGGING = ("-gcflags=all=-dwarf=false", "-ldflags=-s -w")  # which takes a sixth of the time
BUILD = Path(__file__).parents[2] / "build" / "interop"


class Programs(NamedTuple):
    """What is built together. modules: the file that says of which versions."""

    modules: str
    names: tuple[str, ...]


BUILDS = {
    "sdk": Programs("sdk.mod", ("sdkplugin", "sdkhost", "judge")),
    "current": Programs("go.mod", ("plugin", "host")),
    "brokers": Programs("go.mod", ("brokerplugin", "brokerhost")),
    "grafana6": Programs("grafana6.mod", ("plugin", "host")),
    "old": Programs("old.mod", ("plugin", "host")),
}

_builder = ThreadPoolExecutor(1, "go build")  # one after the other: each build takes all processors
_builds: dict[str, Future[Path]] = {}


def start_builds() -> None:
    """Begin to build all programs, one after the other; does nothing without Go."""
    if shutil.which("go"):
        for name in BUILDS:
            _begun(name)


def cancel_builds() -> None:
    """Let go of what is not begun yet."""
    _builder.shutdown(wait=False, cancel_futures=True)


def build(era: str) -> Path:
    """The folder with `plugin` and `host` of that era. Without Go it skips the test, or fails it in CI."""
    return _built(era)


def build_sdk() -> Path:
    """The folder with `sdkplugin` and `sdkhost`; without Go as above."""
    return _built("sdk")


def build_judge() -> Path:
    """The program `judge`; without Go as above."""
    return _built("sdk") / "judge"


def build_brokers() -> Path:
    """The folder with `brokerplugin` and `brokerhost`; without Go as above."""
    return _built("brokers")


def _built(name: str) -> Path:
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("no `go` on PATH; the interoperability tests need it in CI")
        pytest.skip("no `go` on PATH; install Go 1.24 or later to test against real Go plugins and hosts")
    return _begun(name).result()


def _begun(name: str) -> Future[Path]:
    if name not in _builds:
        _builds[name] = _builder.submit(_build, name)
    return _builds[name]


def _build(name: str) -> Path:
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes; one of them builds
        _make(name, folder)
    return folder


def _make(name: str, folder: Path) -> None:
    stamp = folder / "sources"
    digest = _digest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    modules, programs = BUILDS[name]
    # Behind the tests that run meanwhile, some of which watch a clock.
    command = ["nice", "go", "build", *NO_DEBUGGING, f"-modfile={modules}", "-o", f"{folder}/"]
    built = subprocess.run(
        [*command, *(f"./{program}" for program in programs)],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"go build of the {name} programs failed:\n{built.stderr}"
    stamp.write_text(digest)


def _digest() -> str:
    hashed = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in {".go", ".mod", ".sum"}:
            hashed.update(path.relative_to(SOURCES).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()
