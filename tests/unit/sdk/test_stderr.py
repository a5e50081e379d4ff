"""What is written to `sys.stderr` waits for the host, and is never lost without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from graftage.sdk.output import LIMIT_BYTES
from graftage.sdk.stderr import redirected_stderr

FORKS = """
import os, sys
from graftage.sdk.stderr import redirected_stderr
with redirected_stderr():
    if os.fork() == 0:
        print("from a child", file=sys.stderr)
        os._exit(0)
    os.wait()
"""
LEAVES_SOME = """
import sys
from graftage.sdk.stderr import redirected_stderr
with redirected_stderr():
    print("left", file=sys.stderr)
"""


def test_texts_and_bytes_wait_in_order_at_once() -> None:
    with redirected_stderr() as output:
        sys.stderr.write("no end, ")
        sys.stderr.buffer.write(b"\xff\n")
        assert output.take() == b"no end, \xff\n"


def test_what_cannot_be_written_is_escaped() -> None:
    with redirected_stderr() as output:
        print("half: \ud83d", file=sys.stderr)
        assert output.take() == b"half: \\ud83d\n"


def test_a_host_that_is_gone_is_no_reason_to_fail() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", LEAVES_SOME], stderr=write, check=False)
    os.close(write)
    assert done.returncode == 0


def test_it_stands_for_descriptor_2_but_for_no_terminal() -> None:
    with redirected_stderr():
        assert sys.stderr.fileno() == 2
        assert not sys.stderr.isatty()


def test_what_nobody_fetched_goes_to_descriptor_2(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stderr
    with redirected_stderr() as output:
        print("fetched", file=sys.stderr)
        output.take()
        print("left", file=sys.stderr)
    assert sys.stderr is before
    assert capfd.readouterr().err == "left\n"


def test_a_host_that_fetches_nothing_is_told_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    with redirected_stderr() as output:
        for _ in range(3):
            sys.stderr.write("x" * LIMIT_BYTES)
        while output.take():
            pass
    (record,) = map(json.loads, capfd.readouterr().err.splitlines())
    assert record["@level"] == "warn"
    assert "no host fetches this plugin's errors" in record["@message"]


def test_a_forked_child_writes_to_descriptor_2() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, check=True, text=True)
    assert done.stderr == "from a child\n"
