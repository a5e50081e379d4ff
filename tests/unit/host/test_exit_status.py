"""How the end of a process is told."""

from __future__ import annotations

import signal

import pytest

from graftage.host.exit_status import ExitStatus


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (ExitStatus(code=3), "status 3"),
        (ExitStatus(code=0), "status 0"),
        (ExitStatus(signal=9), "signal 9 (SIGKILL)"),
        (ExitStatus(signal=signal.SIGRTMIN + 1), f"signal {signal.SIGRTMIN + 1} (unnamed)"),
        (ExitStatus(), "unknown status"),
        (ExitStatus(signal=15, why="nobody can reach it"), "signal 15 (SIGTERM) because nobody can reach it"),
    ],
)
def test_the_end_is_told_in_words(status: ExitStatus, text: str) -> None:
    assert str(status) == text


def test_only_status_0_is_clean() -> None:
    assert ExitStatus(code=0).clean
    assert not any(status.clean for status in (ExitStatus(code=1), ExitStatus(signal=15), ExitStatus()))
