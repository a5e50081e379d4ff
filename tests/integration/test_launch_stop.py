"""The end of a running plugin, however it behaves: nothing is left, and it takes a limited time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from graftage.host.launch import RunningPlugin
from graftage.host.process import run_process
from support.nasty import is_alive, plain_plugin, script
from support.wait import eventually_async


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    return plain_plugin(tmp_path)


@pytest.mark.parametrize(
    ("behaviour", "status", "least", "most"),
    [
        ("", "status 0", 0.0, 0.9),
        ("no-controller", "signal 15 (SIGTERM)", 0.0, 0.9),  # told at once: it cannot be asked
        ("deaf-to-shutdown", "signal 15 (SIGTERM)", 1.0, 2.5),
        ("deaf-to-term,no-controller", "signal 9 (SIGKILL)", 0.3, 2.0),
        ("deaf-to-shutdown,deaf-to-term", "signal 9 (SIGKILL)", 1.3, 3.3),
    ],
)
async def test_a_plugin_is_asked_then_told_then_killed(
    start: Any, plugin: Path, behaviour: str, status: str, least: float, most: float
) -> None:
    async with start(plugin, behaviour=behaviour) as running:
        began = time.monotonic()
    assert least <= time.monotonic() - began < most
    assert str(await running.wait_exit()) == status


async def test_without_any_grace_a_plugin_is_killed_at_once(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="deaf-to-term", stop_grace=0.0, term_grace=0.0) as running:
        began = time.monotonic()
    assert time.monotonic() - began < 0.9
    assert str(await running.wait_exit()) == "signal 9 (SIGKILL)"


async def test_a_stopped_process_is_killed_in_time(start: Any, plugin: Path) -> None:
    async with start(plugin) as running:
        os.kill(running.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0 + 0.3 + 2.0
    assert str(await running.wait_exit()) == "signal 9 (SIGKILL)"


@pytest.mark.parametrize("kind", ["child", "session-child", "daemon"])
async def test_processes_that_the_plugin_left_behind_die_with_it(start: Any, plugin: Path, kind: str) -> None:
    async with start(plugin, behaviour=kind) as running:
        (pid,) = await left(running.pid)
        assert is_alive(pid)
        began = time.monotonic()
    assert not is_alive(pid)
    assert time.monotonic() - began < 2.0  # although they hold the pipes open


@pytest.mark.parametrize("kind", ["child", "session-child", "daemon"])
async def test_processes_left_by_a_plugin_that_dies_by_itself_die_with_it(
    start: Any, plugin: Path, kind: str
) -> None:
    async with start(plugin, behaviour=kind) as running:
        (pid,) = await left(running.pid)
        os.kill(running.pid, signal.SIGKILL)
        await running.wait_exit()
        await eventually_async(lambda: not is_alive(pid), timeout=2.0, what="the child is gone")


async def test_an_error_in_the_block_stops_the_plugin_and_stays_itself(start: Any, plugin: Path) -> None:
    with pytest.raises(LookupError, match="of the block"):
        async with start(plugin) as running:
            raise LookupError("of the block")
    assert running.exited.is_set()


async def test_a_cancelled_block_stops_the_plugin_in_good_order(start: Any, plugin: Path) -> None:
    statuses = []

    async def hold() -> None:
        async with start(plugin) as running:
            up.set()
            try:
                await asyncio.sleep(60)
            finally:
                statuses.append(running)

    up = asyncio.Event()
    task = asyncio.ensure_future(hold())
    await up.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert str(await statuses[0].wait_exit()) == "status 0"


async def test_a_stop_that_is_cancelled_kills_at_once(start: Any, plugin: Path) -> None:
    async def hold() -> None:
        async with start(plugin, behaviour="deaf-to-shutdown,deaf-to-term", stop_grace=30.0) as running:
            up.set_result(running)

    up: asyncio.Future[RunningPlugin] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(hold())
    running = await up
    await eventually_async(lambda: "asked to shut down" in running.stderr_tail, what="it is in its grace")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.08, 0.15, 0.25])
async def test_a_start_that_is_cancelled_at_any_moment_leaves_nothing(
    start: Any, plugin: Path, short_path: Path, moment: float
) -> None:
    async def hold() -> None:
        # With a folder of its own, even the socket of a plugin that has not yet told its name can be found.
        async with start(plugin, behaviour="daemon", socket_dir=short_path):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(hold())
    await asyncio.sleep(moment)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(short_path) == []


async def test_a_socket_folder_is_made_for_the_process_and_removed_after_it(
    start: Any, plugin: Path, short_path: Path
) -> None:
    behaviour = "deaf-to-shutdown,deaf-to-term"
    async with start(plugin, behaviour=behaviour, stop_grace=0.0, socket_dir=short_path):
        (name,) = os.listdir(short_path)
        folder = short_path / name
        assert name.startswith("plugin-dir")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [(folder / one).is_socket() for one in os.listdir(folder)] == [True]
    assert os.listdir(short_path) == []


async def test_many_plugins_start_and_stop_side_by_side(start: Any, plugin: Path) -> None:
    async def one() -> None:
        async with start(plugin, start_timeout=30.0) as running:
            await running.client.ping()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(one())


async def test_a_plugin_whose_warden_is_killed_is_gone_and_noticed(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="child") as running:
        (pid,) = await left(running.pid)
        os.kill(parent_of(running.pid), signal.SIGKILL)
        async with asyncio.timeout(2):
            assert str(await running.wait_exit()) == "unknown status"
        await eventually_async(lambda: not is_alive(running.pid) and not is_alive(pid), what="all are gone")


async def test_a_socket_that_outlives_its_warden_for_a_moment_is_removed(tmp_path: Path) -> None:
    path, pids = tmp_path / "s", tmp_path / "pids"
    program = script(
        tmp_path,
        f"listener = socket.socket(socket.AF_UNIX); listener.bind({str(path)!r}); listener.listen()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    os.write(os.open(os.environ['PIDS'], os.O_CREAT | os.O_WRONLY), f'{os.getpid()}'.encode())\n"
        "time.sleep(60)",
    )
    async with run_process(program, {"PIDS": str(pids)}) as process:
        process.remove_at_end(str(path))
        await eventually_async(lambda: pids.exists() and pids.read_text(), what="another holds the socket")
        os.kill(parent_of(process.pid), signal.SIGKILL)
        await process.exited.wait()
        asyncio.get_running_loop().call_later(0.2, os.kill, int(pids.read_text()), signal.SIGKILL)
    assert not path.exists()


async def test_a_stopped_warden_leaves_nothing_behind(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="daemon") as running:
        (pid,) = await left(running.pid)
        os.kill(parent_of(running.pid), signal.SIGSTOP)
    assert not is_alive(pid)


async def test_a_warden_that_needs_long_to_clear_away_is_let_do_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graftage.host.process.KILL_SECONDS", 0.0)
    pids = tmp_path / "pids"
    program = script(
        tmp_path,
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open(os.environ['PIDS'], 'w').write(f'{os.getpid()}')\n"
        "time.sleep(60)",
    )
    async with run_process(program, {"PIDS": str(pids)}):
        await eventually_async(lambda: pids.exists() and pids.read_text(), what="a process is left")
    child = int(pids.read_text())
    await eventually_async(lambda: not is_alive(child), timeout=5.0, what="the child is gone")


async def test_the_socket_folder_of_a_killed_warden_is_removed(
    start: Any, plugin: Path, short_path: Path
) -> None:
    async with start(plugin, socket_dir=short_path) as running:
        os.kill(parent_of(running.pid), signal.SIGKILL)
        await running.wait_exit()
    assert os.listdir(short_path) == []


async def test_in_the_hosts_group_the_plugin_alone_gets_the_signal_and_still_leaves_nothing(
    start: Any, plugin: Path
) -> None:
    async with start(plugin, behaviour="deaf-to-shutdown,child", shared_group=True) as running:
        assert os.getpgid(running.pid) == os.getpgrp()
        (pid,) = await left(running.pid)
    assert str(await running.wait_exit()) == "signal 15 (SIGTERM)"
    assert not is_alive(pid)


async def left(pid: int) -> list[int]:
    """The processes that `plugins/plain.py` has left on purpose, once it has."""
    await eventually_async(lambda: written_pids(pid), what="a process is left")
    return written_pids(pid)


def written_pids(pid: int) -> list[int]:
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    name = next(entry for entry in environment if entry.startswith(b"PIDS=")).removeprefix(b"PIDS=")
    file = Path(os.fsdecode(name))
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
