"""How much memory a process takes at most while it does something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

RESET_PEAK = "5"  # Source: Linux, Documentation/filesystems/proc.rst, clear_refs


def peak_growth(pid: int, work: Callable[[], object]) -> int:
    """Bytes by which the peak during `work` exceeds what the process held before it."""
    Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK, encoding="ascii")
    before = _bytes(pid, "VmRSS")
    work()
    return _bytes(pid, "VmHWM") - before


def _bytes(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"/proc/{pid}/status has no {key}")
