"""Stand-alone mode: the plugin runs by itself, and what the host starts only says where; with Go's, too."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from graftage.host.executable import build_name
from graftage.host.launch import LaunchOptions, launch
from graftage.host.supervision import State
from graftage.protocol import rpc
from graftage.protocol.channel import target
from graftage.sdk.standalone import is_program, plugin_folder
from support.elsewhere import (
    BY_NOBODY,
    ID,
    LOGGER,
    PROGRAM,
    SECONDS,
    described,
    hosting,
    pid_in,
    reach,
    request,
)
from support.go import build_sdk
from support.plugin_process import PluginProcess, started
from support.wait import eventually, eventually_async

# A stand-alone plugin of Go kills what looks like its own executable, wherever that is.
pytestmark = pytest.mark.xdist_group("processes that are told apart by their names")

GO_ID = "interop-datasource"
ADDRESS, PID = "standalone.txt", "pid.txt"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A plugin's folder with a path that is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="graftage-") as base:
        yield described(Path(base) / ID)


@asynccontextmanager
async def standing_alone(
    folder: Path, environment: Mapping[str, str | None] = BY_NOBODY
) -> AsyncIterator[PluginProcess]:
    async with started(
        PROGRAM, folder, environment=environment, arguments=("-standalone",), cwd=folder
    ) as plugin:
        await eventually_async(lambda: "the plugin stands alone" in plugin.messages(), what="it serves")
        yield plugin


@contextmanager
def go_standing_alone(folder: Path) -> Iterator[int]:
    process = subprocess.Popen(
        [build_sdk() / "sdkplugin", "-standalone"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: (folder / PID).exists() and (folder / PID).read_text(), what="its files")
        yield process.pid
        process.terminate()
        assert process.wait(10) == 0
        assert not (folder / ADDRESS).exists()
    finally:
        process.kill()
        process.wait()


async def test_its_files_tell_where_it_is_to_its_owner_only(folder: Path) -> None:
    async with standing_alone(folder) as plugin:
        for name, text in ((ADDRESS, ""), (PID, str(plugin.pid))):
            assert stat.S_IMODE(os.stat(folder / name).st_mode) == 0o600
            assert text in read(folder / name)
        plugin.process.send_signal(signal.SIGINT)
        assert await plugin.exit_status() == 130
    assert {ADDRESS, PID}.isdisjoint(os.listdir(folder))


async def test_it_serves_what_the_author_made_and_nothing_else(folder: Path) -> None:
    async with (
        standing_alone(folder),
        grpc.aio.insecure_channel(target("tcp", read(folder / ADDRESS))) as channel,
    ):
        for method in (rpc.SHUTDOWN, rpc.HEALTH_CHECK, rpc.STREAM_STDIO, rpc.START_BROKER, rpc.QUERY_V1):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(method)(b"", timeout=SECONDS)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert await channel.unary_unary(rpc.CHECK_HEALTH)(b"", timeout=SECONDS)


async def test_a_variable_chooses_the_address(folder: Path) -> None:
    with free_port() as port:
        variable = f"GF_PLUGIN_GRPC_ADDRESS_{ID.upper().replace('-', '_')}"
        address = f"127.0.0.1:{port}"
    async with standing_alone(folder, {**BY_NOBODY, variable: address}):
        assert read(folder / ADDRESS) == address
        (folder / ADDRESS).unlink()
        (folder / PID).unlink()
        async with started(PROGRAM, folder, environment={variable: address}) as stand_in:
            assert await stand_in.handshake() == ["1", "2", "tcp", address, "grpc"]


async def test_a_plugin_that_runs_is_killed_and_a_stand_in_takes_its_place(folder: Path) -> None:
    (folder / "plugin.py").write_text(PROGRAM)
    async with hosting(folder.parent) as host:
        first = pid_in(await host.query(ID, request(), timeout=SECONDS))
        assert host.status(ID).pid == first
        async with standing_alone(folder) as plugin:
            await reach(host, State.RUNNING, restarts=1)
            assert pid_in(await host.query(ID, request(), timeout=SECONDS)) == plugin.pid
            assert host.status(ID).pid not in (first, plugin.pid)
            plugin.process.terminate()
            assert await plugin.exit_status() == 143
        await reach(host, State.RUNNING, restarts=2)
        assert pid_in(await host.query(ID, request(), timeout=SECONDS)) == host.status(ID).pid


async def test_a_stand_in_goes_when_the_plugin_has_died(folder: Path) -> None:
    (folder / "plugin.py").write_text(PROGRAM)
    async with standing_alone(folder) as plugin, hosting(folder.parent) as host:
        assert pid_in(await host.query(ID, request(), timeout=SECONDS)) == plugin.pid
        plugin.process.kill()  # which leaves its files behind
        await asyncio.to_thread(plugin.process.wait)
        await reach(host, State.RUNNING, restarts=1)
        assert pid_in(await host.query(ID, request(), timeout=SECONDS)) == host.status(ID).pid


async def test_other_processes_are_left_alone(folder: Path) -> None:
    program = folder / "plugin.py"
    program.write_text(PROGRAM)
    editor = [sys.executable, "-c", "import time; time.sleep(60)", program]
    bystander = subprocess.Popen(editor)  # noqa: ASYNC220
    try:
        async with standing_alone(folder):
            pass
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_the_same_plugin_on_the_network_is_left_alone(folder: Path) -> None:
    program = folder / "plugin.py"
    program.write_text(PROGRAM)
    environment = {name: value for name, value in os.environ.items() if name not in BY_NOBODY}
    served = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, program, "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE
    )
    assert served.stderr is not None
    try:
        while b"the plugin listens" not in await asyncio.to_thread(served.stderr.readline):
            assert served.poll() is None
        async with standing_alone(folder):
            pass
        assert served.poll() is None
    finally:
        served.kill()
        served.communicate()


async def test_the_stand_in_tells_where_and_asks_for_no_cookie(folder: Path) -> None:
    (folder / ADDRESS).write_text("127.0.0.1:4321\n")
    async with started(PROGRAM, folder, environment=BY_NOBODY) as stand_in:
        assert await stand_in.handshake() == ["1", "2", "tcp", "127.0.0.1:4321", "grpc"]
        assert stand_in.out == [b"1|2|tcp|127.0.0.1:4321|grpc"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({ADDRESS: "\n"}, "the file is empty"),
        ({ADDRESS: "127.0.0.1:4321", PID: "0"}, "there is no such process"),
        ({ADDRESS: "127.0.0.1:4321", PID: "nobody"}, "the pid is none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_without_a_plugin_that_lives_the_start_is_as_usual(
    folder: Path, files: dict[str, str], why: str
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    async with started(PROGRAM, folder) as plugin:
        assert (await plugin.handshake())[2] == "unix", why


async def test_outside_of_a_plugins_folder_it_says_so(tmp_path: Path) -> None:
    async with started(
        PROGRAM, tmp_path, environment=BY_NOBODY, arguments=("--standalone",), cwd=tmp_path
    ) as plugin:
        assert await plugin.exit_status() == 2
        assert b"no plugin.json in" in b"".join(plugin.err)


@pytest.mark.timeout(300)  # the first run builds the Go programs
async def test_a_stand_in_of_go_under_our_host(tmp_path: Path) -> None:
    folder = described(tmp_path / GO_ID, executable="gpx", plugin_id=GO_ID)
    executable = shutil.copy(build_sdk() / "sdkplugin", folder / build_name("gpx", "Linux", "x86_64"))
    with go_standing_alone(folder):
        options = LaunchOptions(reconnect_timeout=1.0)
        async with launch(executable, plugin_id=GO_ID, options=options, logger=LOGGER) as running:
            assert running.link.handshake.network == "tcp"
            (result,) = await running.client.query(request(), timeout=SECONDS)
            assert not result.error
        assert running.exited.is_set(), "it knows no Shutdown, and is stopped all the same"


@pytest.mark.timeout(300)  # the first run builds the Go programs
async def test_our_stand_in_for_a_plugin_of_go(folder: Path) -> None:
    folder = described(folder, executable="gpx", plugin_id=GO_ID)
    with go_standing_alone(folder):
        async with started(PROGRAM, folder) as stand_in:
            _, _, network, address, protocol = await stand_in.handshake()
            assert (network, address, protocol) == ("tcp", read(folder / ADDRESS), "grpc")


@pytest.mark.parametrize(
    ("layout", "start", "found"),
    [
        (["plugin.json"], "", ""),
        (["dist/plugin.json"], "", "dist"),
        (["dist/plugin.json", "pkg/x"], "pkg", "dist"),
        (["a/plugin.json", "b/plugin.json"], "", "a"),
        (["other/plugin.json", "z/plugin.json"], "", "z"),
    ],
)
def test_the_folder_is_searched_as_gos_sdk_does(
    tmp_path: Path, layout: list[str], start: str, found: str
) -> None:
    for name in layout:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"id": "other" if "other" in name else "mine"}))
    assert plugin_folder(tmp_path / start, "mine")[0] == tmp_path / found


@pytest.mark.parametrize(
    ("path", "is_it"),
    [
        ("/p/gpx", True),
        ("/p/gpx.py", True),
        ("/p/gpx_linux_amd64", True),
        ("/p/./gpx", True),
        ("/p/gpx2", False),
        ("/p/gpx.pyc", False),
        ("/q/gpx", False),
        ("/p", False),
    ],
)
def test_which_files_a_host_starts_for_an_executable(path: str, is_it: bool) -> None:
    assert is_program(path, Path("/p/gpx")) is is_it


def read(path: Path) -> str:
    return path.read_text()


@contextmanager
def free_port() -> Iterator[int]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
