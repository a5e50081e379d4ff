"""A host that dies, however it dies, leaves nothing of its plugins behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.nasty import descendants_of, is_alive, plain_plugin, script
from support.wait import eventually

HOST = Path(__file__).parent.parent / "support" / "small_host.py"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="graftage-") as name:
        yield Path(name)


def started_host(
    executable: Path, folder: Path, behaviour: str = "", *, stdin: int | None = None, **variables: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, HOST, executable, folder],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"BEHAVIOUR": behaviour, **variables},
        process_group=0,  # a signal that strays into the host's group must not hit the tests
    )


def say(host: subprocess.Popen[str]) -> str:
    assert host.stdout is not None
    return host.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("behaviour", ["", "deaf-to-term,child,session-child,daemon"])
@pytest.mark.parametrize("variables", [{}, {"SHARED_GROUP": "yes"}], ids=["own-group", "shared-group"])
def test_a_host_that_is_killed_leaves_no_process_and_no_socket(
    tmp_path: Path, folder: Path, number: signal.Signals, behaviour: str, variables: dict[str, str]
) -> None:
    with started_host(plain_plugin(tmp_path), folder, behaviour, **variables) as host:
        assert say(host) == "begun"
        plugin = int(say(host))
        pids = folder / "pids"
        count = len(behaviour.split(",")) - 1
        eventually(
            lambda: not count or (pids.exists() and pids.read_text().count("\n") == count), what="children"
        )
        everybody = descendants_of(host.pid)
        assert plugin in everybody
        assert os.getpgid(plugin) == (host.pid if variables else plugin)
        assert len(everybody) >= 2 + count
        os.kill(host.pid, number)
        eventually(lambda: not any(is_alive(pid) for pid in everybody), timeout=5.0, what="all are gone")
        eventually(lambda: not list(folder.glob("plugin*")), timeout=2.0, what="the socket is gone")


def test_a_stopped_plugin_dies_with_its_host(tmp_path: Path, folder: Path) -> None:
    with started_host(plain_plugin(tmp_path), folder) as host:
        assert say(host) == "begun"
        plugin = int(say(host))
        os.kill(plugin, signal.SIGSTOP)
        host.kill()
        eventually(lambda: not is_alive(plugin), timeout=2.0, what="the plugin is gone")


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.06])
def test_a_host_that_is_killed_while_it_starts_a_plugin_leaves_nothing(
    tmp_path: Path, folder: Path, moment: float
) -> None:
    plugin = script(
        tmp_path,
        "if os.fork() == 0: os.setsid()\n"
        "open(os.environ['PIDS'], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)",
    )
    with started_host(plugin, folder) as host:
        assert say(host) == "begun"
        time.sleep(moment)  # the test is that any moment will do
        everybody = descendants_of(host.pid)
        host.kill()
        host.wait()
        eventually(lambda: not any(is_alive(pid) for pid in everybody), timeout=3.0, what="all are gone")
    # What the plugin may have become after we looked has written its pid down.
    pids = folder / "pids"
    late = [int(line) for line in pids.read_text().split()] if pids.exists() else []
    eventually(lambda: not any(is_alive(pid) for pid in late), timeout=3.0, what="late ones are gone")


def test_a_plugin_has_the_hosts_own_stdin(tmp_path: Path, folder: Path) -> None:
    plugin = script(tmp_path, "open(os.environ['PIDS'], 'w').write(sys.stdin.readline())\ntime.sleep(60)")
    read, write = os.pipe()
    os.write(write, b"typed\n")
    with started_host(plugin, folder, stdin=read) as host:
        file = folder / "pids"
        eventually(lambda: file.exists() and file.read_text() == "typed\n", what="the line is read")
        host.kill()
    os.close(read)
    os.close(write)
