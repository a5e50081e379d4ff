"""However a host with several plugins dies, none of their processes and none of their files outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.wait import eventually

TESTS = Path(__file__).parents[1]

HOST = """
import asyncio, sys
from pathlib import Path
from graftage.host.discovery import discover
from graftage.host.host import Host
from graftage.host.supervision import State

async def main():
    async with Host(discover([Path(sys.argv[1])]).plugins) as host:
        while host.status("serving").state is not State.RUNNING:
            await asyncio.sleep(0.01)
        print("running", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

# Answers calls, and has a child that left its process group and ignores what it is asked.
SERVING = """#!{python}
import os, subprocess, sys
sys.path.insert(0, {tests!r})
from support.plugins.probe import main
child = subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; sleep 1000"], start_new_session=True)
open({place!r} + "/serving.pids", "w").write(f"{{os.getpid()}} {{child.pid}}.")
main({place!r} + "/received")
"""

# Never gets as far as to answer, ignores what it is asked, and has a child and a grandchild.
STARTING = """#!/bin/sh
trap '' TERM INT HUP
sh -c 'sleep 1000 & echo $! > {place}/grandchild; wait' &
while ! test -s {place}/grandchild; do sleep 0.01; done
echo "$$ $! $(cat {place}/grandchild)." > {place}/starting.pids
wait
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path: sockets are made in it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="host-"))
    yield folder
    shutil.rmtree(folder)


def put_plugin(place: Path, plugin_id: str, script: str) -> None:
    folder = place / "plugins" / plugin_id
    folder.mkdir(parents=True)
    description = {"id": plugin_id, "type": "datasource", "backend": True, "executable": "tool"}
    (folder / "plugin.json").write_text(json.dumps(description))
    (folder / "tool").write_text(script.format(python=sys.executable, tests=str(TESTS), place=str(place)))
    (folder / "tool").chmod(0o755)


def pids(place: Path, plugin_id: str) -> list[int]:
    """The processes of a plugin, once all are there."""
    file = place / f"{plugin_id}.pids"
    eventually(lambda: file.exists() and "." in file.read_text(), timeout=20, what=f"{plugin_id} has begun")
    return [int(pid) for pid in file.read_text().strip().rstrip(".").split()]


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"  # dead ones may wait for a parent that never asks


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_host_that_is_ended_by_a_signal_leaves_no_process_and_no_file(place, number):
    put_plugin(place, "serving", SERVING)
    put_plugin(place, "starting", STARTING)
    temporary = place / "tmp"
    temporary.mkdir()
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(place / "plugins")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    with host:
        family = pids(place, "starting") + pids(place, "serving")
        assert host.stdout is not None
        assert host.stdout.readline() == b"running\n"
        assert len(family) == 5
        assert all(is_alive(pid) for pid in family)
        assert list(temporary.rglob("*")) != []

        host.send_signal(number)
        host.communicate(timeout=20)

    for pid in family:
        eventually(lambda pid=pid: not is_alive(pid), timeout=5, what=f"process {pid} of {family} is gone")
    eventually(lambda: not list(temporary.rglob("*")), timeout=5, what="sockets are removed")
