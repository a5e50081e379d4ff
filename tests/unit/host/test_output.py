"""What a plugin writes becomes the host's log, within limits."""

from __future__ import annotations

import logging
import os
import time
from typing import IO

import pytest

from graftage.host.allowance import Allowance
from graftage.host.drain import Drain
from graftage.host.output import Announcement, Stderr
from graftage.host.plugin_log import PluginLog
from support.wait import eventually_async

LOGGER = logging.getLogger("host.clock")


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1, LOGGER.name)


def log(*, burst: float = 1000) -> PluginLog:
    return PluginLog(LOGGER, "clock-datasource", "stderr", Allowance(0.001, burst))


async def test_each_line_of_stderr_is_logged_at_its_level_with_the_plugins_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stderr = Stderr(log(), line_limit=1000)
    stderr.feed(
        b'{"@level":"warn","@message":"slow","@module":"db","ms":12,"q":"a b","@timestamp":null}\n'
        b"[INFO] a\nplain"
    )
    stderr.finish()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", 'slow: ms=12 q="a b"'),
        ("INFO", "[INFO] a"),
        ("DEBUG", "plain"),
    ]
    first = caplog.records[0].__dict__
    assert first["plugin_id"] == "clock-datasource"
    assert first["plugin_module"] == "db"
    assert first["plugin_fields"] == {"ms": 12, "q": "a b"}


async def test_a_traceback_is_logged_as_errors(caplog: pytest.LogCaptureFixture) -> None:
    stderr = Stderr(log(), line_limit=1000)
    stderr.feed(b"starting\nTraceback (most recent call last):\n  File x\nValueError: no\n")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "ERROR", "ERROR", "ERROR"]


async def test_a_line_above_the_limit_is_logged_in_pieces_and_not_parsed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stderr = Stderr(log(), line_limit=20)
    stderr.feed(b'{"@level":"error","@message":"m"}\n')
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", '{"@level":"error","@'),
        ("DEBUG", 'message":"m"}'),
    ]


async def test_the_last_hundred_lines_are_kept_whatever_was_logged(caplog: pytest.LogCaptureFixture) -> None:
    stderr = Stderr(log(burst=2), line_limit=10_000)
    stderr.feed(b"".join(b"line %d\n" % number for number in range(250)) + b"x" * 9000 + b"\n")
    assert len(stderr.tail) == 100
    assert stderr.tail[0] == "line 151"
    assert stderr.tail[-1] == "x" * 2048
    stderr.finish()
    assert [record.message for record in caplog.records] == [
        "line 0",
        "line 1",
        "249 lines of the plugin's stderr were left out: it writes faster than the log's limit",
    ]


async def test_a_log_that_is_switched_off_misses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stderr = Stderr(log(burst=2), line_limit=10_000)
    caplog.set_level(logging.CRITICAL + 1, LOGGER.name)
    stderr.feed(b"a line\n" * 10)
    caplog.set_level(1, LOGGER.name)
    stderr.finish()
    assert not caplog.messages
    assert len(stderr.tail) == 10


async def test_long_lines_use_up_more_of_the_allowance(caplog: pytest.LogCaptureFixture) -> None:
    stderr = Stderr(log(burst=11), line_limit=100_000)
    stderr.feed(b"x" * 10_000 + b"\n" + b"y\n" + b"z\n")
    assert [record.message[0] for record in caplog.records] == ["x", "y"]


async def test_the_first_line_of_stdout_is_for_the_handshake_and_the_rest_for_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stdout = Announcement(log())
    stdout.feed(b"1|1|un")
    assert not stdout.line.done()
    assert stdout.begun == b"1|1|un"
    stdout.feed(b"ix|/x|grpc|\r\nhello\n")
    assert stdout.line.result() == b"1|1|unix|/x|grpc|"
    assert [record.message for record in caplog.records] == ["hello"]


@pytest.mark.parametrize(("written", "line"), [(b"1|1|unix|/x|grpc", b"1|1|unix|/x|grpc"), (b"", None)])
async def test_the_end_of_stdout_ends_the_line(written: bytes, line: bytes | None) -> None:
    stdout = Announcement(log())
    stdout.feed(written)
    stdout.finish()
    assert stdout.line.result() == line


class Pipe:
    """Both ends of a pipe, and what was read of it."""

    def __init__(self, pace: Allowance) -> None:
        reader, self.writer = os.pipe()
        self.file: IO[bytes] = os.fdopen(reader, "rb", buffering=0)
        self.read = 0
        self.finished = 0
        self.drain = Drain(self.file, self._feed, self._finish, pace)

    def _feed(self, data: bytes) -> None:
        self.read += len(data)

    def _finish(self) -> None:
        self.finished += 1


async def test_a_pipe_is_read_to_its_end_and_closed() -> None:
    pipe = Pipe(Allowance(1e9, 1e9))
    os.write(pipe.writer, b"x" * 10_000)
    os.close(pipe.writer)
    await pipe.drain.ended.wait()
    pipe.drain.close()
    assert (pipe.read, pipe.finished) == (10_000, 1)
    assert pipe.file.closed


async def test_a_pipe_is_read_no_faster_than_the_pace() -> None:
    pipe = Pipe(Allowance(per_second=1000, burst=1000))
    os.write(pipe.writer, b"x" * 1200)
    await eventually_async(lambda: pipe.read == 1200)
    began = time.monotonic()
    os.write(pipe.writer, b"x")
    await eventually_async(lambda: pipe.read == 1201)  # 0.2 s later: when the 200 too many are paid back
    assert time.monotonic() - began > 0.1
    pipe.drain.close()
    os.close(pipe.writer)


async def test_a_pipe_that_never_ends_can_be_abandoned() -> None:
    pipe = Pipe(Allowance(per_second=1, burst=1))
    os.write(pipe.writer, b"x" * 100)
    await eventually_async(lambda: pipe.read == 100)
    pipe.drain.close()  # in a pause, which must not wake up later
    assert pipe.drain.ended.is_set()
    assert pipe.file.closed
    os.close(pipe.writer)
