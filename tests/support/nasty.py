"""Programs that are no good plugins, or are told to misbehave, and the proof that none is left."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

PLAIN = Path(__file__).with_name("plugins") / "plain.py"
GOOD_LINE = "1|1|unix|/nowhere/plugin1|grpc|\n"


def script(folder: Path, body: str, *, name: str = "plugin") -> Path:
    """An executable Python script of the standard library only, which starts in a few milliseconds."""
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time, signal, socket\n{body}\n")
    path.chmod(0o755)
    return path


def plain_plugin(folder: Path) -> Path:
    """An executable that becomes `plugins/plain.py`."""
    path = folder / "plain"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {PLAIN}\n")
    path.chmod(0o755)
    return path


def is_alive(pid: int) -> bool:
    """Is there such a process? One that has ended but is not waited for counts as gone."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def descendants_of(ancestor: int) -> set[int]:
    """The pids of all processes below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {ancestor}
    for _ in parents:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            break
        found |= more
    return found - {ancestor}


def open_descriptors() -> set[str]:
    """What the descriptors of this process stand for."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{entry}"))
        except OSError:
            continue  # the one that listed them
    return found


def left_behind(before: set[str], folder: Path) -> Callable[[], list[str]]:
    """What there is now that was not there: descriptors, processes, plugins' sockets and folders."""

    def look() -> list[str]:
        descriptors = [f"descriptor {name}" for name in open_descriptors() - before]
        processes = [f"process {pid}" for pid in descendants_of(os.getpid()) if is_alive(pid)]
        files = [f"file {path}" for path in folder.rglob("plugin*") if not path.is_file()]
        return descriptors + processes + files

    return look
