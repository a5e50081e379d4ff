"""What all tests need."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def processes_heed_signals() -> None:
    """Processes that tests start heed SIGINT and SIGHUP, although `nohup` and background jobs ignore them.

    What is ignored stays so in every process that is started from here; what is handled does not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
