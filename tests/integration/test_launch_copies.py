"""What a plugin writes can be had byte for byte, beside the log."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.host.copies import Copies
from graftage.host.discovery import discover
from graftage.host.host import Host, HostOptions
from support.nasty import PLAIN, plain_plugin
from support.wait import eventually_async

SOURCE = DataSourceSettings(1, 1, "a", "test-plugin")
REQUEST = QueryRequest(TimeRange(0, 1), context_of(SOURCE), (Query("A"),))
LONG = 3_000_000  # above the limit of a line in the log

WRITES = f"""#!/bin/sh
printf 'not \\377 UTF-8\\n[INFO] a\\n' >&2
head -c {LONG} /dev/zero | tr '\\0' x >&2
printf '\\nno end' >&2
exec {sys.executable} {PLAIN}
"""
REDIRECTS = f"""#!{sys.executable}
import sys, threading
from graftage import serve

def answer(query):
    print("printed")
    print("an error", file=sys.stderr)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

serve(query=answer, redirect_stderr=True)
print("after the end", file=sys.stderr)
raise ValueError("at last")
"""


def program(folder: Path, text: str) -> Path:
    path = folder / "plugin"
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("log_rate", [1000.0, 0.001])
async def test_stderr_is_copied_whole_whatever_the_log_takes(
    start: Any, tmp_path: Path, log_rate: float
) -> None:
    found = bytearray()
    copies = Copies(stderr=found.extend)
    async with start(
        program(tmp_path, WRITES), copies=copies, log_rate=log_rate, log_burst=1, output_rate=1e9
    ):
        pass
    assert found == b"not \xff UTF-8\n[INFO] a\n" + b"x" * LONG + b"\nno end\n"


async def test_what_a_program_prints_is_copied(start: Any, tmp_path: Path) -> None:
    found = bytearray()
    copies = Copies(printed=found.extend)
    async with start(plain_plugin(tmp_path), behaviour="print", copies=copies) as plugin:
        await plugin.client.query(REQUEST, timeout=5)
        await eventually_async(lambda: found == b"a query came\n", what="the copy")


async def test_a_plugin_of_ours_can_send_its_errors_apart_from_its_log(
    start: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stderr, printed, errors = bytearray(), bytearray(), bytearray()
    copies = Copies(stderr=stderr.extend, printed=printed.extend, printed_errors=errors.extend)
    async with start(program(tmp_path, REDIRECTS), copies=copies) as plugin:
        await plugin.client.query(REQUEST, timeout=10)
        await eventually_async(lambda: errors and printed, what="prints")
    assert (printed, errors) == (b"printed\n", b"an error\n")
    assert caplog.messages.count("printed") == 1
    assert caplog.messages.count("an error") == 1
    # What tells of a crash takes the pipe, during and after.
    assert b"ZeroDivisionError" in stderr
    assert b"after the end\n" in stderr
    assert b"ValueError: at last" in stderr


async def test_an_operator_finds_all_of_it_in_files_that_outlive_the_plugin(tmp_path: Path) -> None:
    folder, output = tmp_path / "plugins" / "test", tmp_path / "output"
    folder.mkdir(parents=True)
    output.mkdir()
    program(folder, REDIRECTS)
    about = {"id": "test-plugin", "type": "datasource", "backend": True, "executable": "plugin"}
    (folder / "plugin.json").write_text(json.dumps(about))

    for _ in range(2):
        async with Host(discover([folder]).plugins, HostOptions(output_folder=output)) as host:
            await host.query("test-plugin", REQUEST, timeout=20)

    assert (output / "test-plugin.stdout.log").read_bytes() == b"printed\n" * 2
    errors = (output / "test-plugin.stderr.log").read_bytes()
    assert errors.count(b"an error\n") == 2
    assert errors.count(b"ValueError: at last") == 2
