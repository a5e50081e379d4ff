"""A relay in the place of a plugin, under our host and under Go's; the plugin outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from graftage.errors import CallFailed, PluginUnavailable
from graftage.host.launch import LaunchOptions, launch
from graftage.host.process import run_process
from graftage.protocol.environment import plugin_environment
from support.certificates import Authority
from support.elsewhere import (
    ID,
    LOGGER,
    SECONDS,
    described,
    listening,
    pem_files,
    pid_in,
    request,
    tls_flags,
    usual_port,
)
from support.go import build_sdk
from support.wait import eventually_async

# A stand-alone plugin of Go kills what looks like its own executable, wherever that is.
pytestmark = pytest.mark.xdist_group("processes that are told apart by their names")

NOBODY = "127.0.0.1:9"


def install(folder: Path, to: str, *flags: str | Path) -> Path:
    """Put a relay into a new plugin's folder; what Grafana would launch."""
    described(folder, executable="gpx_elsewhere")
    done = install_into(folder, to, *flags)
    assert done.returncode == 0, done.stderr
    (path,) = (path for path in folder.iterdir() if path.name.startswith("gpx_elsewhere_"))
    return path


def install_into(folder: Path, to: str, *flags: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "graftage", "relay", "install", folder, "--to", to, *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def relaying(path: Path, **options: Any) -> Any:
    return launch(path, plugin_id=ID, options=LaunchOptions(**options), logger=LOGGER)


async def test_it_stands_for_a_plugin_elsewhere_which_outlives_it(tmp_path: Path) -> None:
    async with listening(tmp_path) as (plugin, address):
        path = install(tmp_path / "relay", address)
        for _ in range(2):
            async with relaying(path) as relay:
                assert relay.pid != plugin.pid
                assert pid_in(await relay.client.query(request(), timeout=SECONDS)) == plugin.pid
                stopping = time.monotonic()
            assert time.monotonic() - stopping < 1.5, "the host did not wait for a Shutdown that nobody knows"
            assert relay.exited.is_set()
            assert plugin.process.poll() is None


@pytest.mark.parametrize("options", [{}, {"auto_mtls": True}], ids=["plain", "tls of one run"])
async def test_it_speaks_tls_on_both_sides(tmp_path: Path, options: dict[str, Any]) -> None:
    authority = Authority()
    own = pem_files(tmp_path / "own", authority, "127.0.0.1")
    theirs = pem_files(tmp_path / "theirs", authority, "the relay")
    flags = ("--tls-cert", theirs.certificate, "--tls-key", theirs.key, "--tls-ca", theirs.authority)
    async with listening(tmp_path, *tls_flags(own)) as (plugin, address):
        path = install(tmp_path / "relay", address, *flags)  # type: ignore[arg-type]  # none is missing
        async with relaying(path, **options) as relay:
            assert pid_in(await relay.client.query(request(), timeout=SECONDS)) == plugin.pid


async def test_it_connects_anew_when_the_plugin_was_started_again(tmp_path: Path, short_path: Path) -> None:
    async with listening(tmp_path, at=usual_port()) as (first, address):
        path = install(tmp_path / "relay", address)
        async with relaying(path, reconnect_timeout=30.0) as relay:
            assert pid_in(await relay.client.query(request(), timeout=SECONDS)) == first.pid
            first.process.kill()
            await asyncio.to_thread(first.process.wait)
            with pytest.raises((CallFailed, PluginUnavailable)):
                await relay.client.query(request(), timeout=SECONDS)
            async with listening(short_path, at=address) as (second, _):
                answered: list[int] = []
                while not answered:
                    try:
                        answered.append(pid_in(await relay.client.query(request(), timeout=SECONDS)))
                    except (CallFailed, PluginUnavailable):
                        await asyncio.sleep(0.1)
                assert answered == [second.pid]
            assert not relay.exited.is_set()


async def test_the_handshake_waits_for_nobody(tmp_path: Path) -> None:
    path = install(tmp_path / "relay", NOBODY)
    environment = plugin_environment(os.environ, {"TMPDIR": str(tmp_path)}, versions=(1, 2))
    async with run_process(path, environment) as process:
        line = await asyncio.to_thread(process.stdout.read, 4096)
        assert line.startswith(b"1|2|unix|/")


@pytest.mark.parametrize(("offered", "version"), [((1,), "1"), ((2,), "2"), ((1, 2), "2")])
async def test_it_picks_the_version_that_host_and_plugin_share(
    tmp_path: Path, offered: tuple[int, ...], version: str
) -> None:
    path = install(tmp_path / "relay", NOBODY)
    environment = plugin_environment(os.environ, {"TMPDIR": str(tmp_path)}, versions=offered)
    async with run_process(path, environment) as process:
        line = await asyncio.to_thread(process.stdout.read, 4096)
        assert line.split(b"|")[1].decode() == version


async def test_it_ends_with_whoever_launched_it(tmp_path: Path) -> None:
    path = install(tmp_path / "relay", NOBODY)
    environment = plugin_environment(os.environ, {"TMPDIR": str(tmp_path)}, versions=(2,))
    launcher = (
        f"import subprocess, time; print(subprocess.Popen([{str(path)!r}], stdout=-3).pid, flush=True); "
    )
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", launcher + "time.sleep(60)"], stdout=subprocess.PIPE, env=environment
    )
    assert parent.stdout is not None
    pid = int(await asyncio.to_thread(parent.stdout.readline))

    def sockets() -> list[str]:
        return [name for name in os.listdir(tmp_path) if name.startswith("plugin")]

    await eventually_async(lambda: sockets(), what="it listens")
    parent.kill()
    await asyncio.to_thread(parent.communicate)
    await eventually_async(lambda: not sockets(), what="its socket is gone")
    await eventually_async(lambda: not Path(f"/proc/{pid}").exists(), what="it is gone")


async def test_sigterm_ends_it_and_takes_its_socket_away(tmp_path: Path) -> None:
    path = install(tmp_path / "relay", NOBODY)
    environment = plugin_environment(os.environ, {"TMPDIR": str(tmp_path)}, versions=(2,))
    async with run_process(path, environment) as process:
        await asyncio.to_thread(process.stdout.read, 4096)
        process.terminate()
        async with asyncio.timeout(SECONDS):
            await process.exited.wait()
        assert process.exit.result().code == 128 + signal.SIGTERM
    assert not [name for name in os.listdir(tmp_path) if name.startswith("plugin")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return described(tmp_path / "relay", executable="gpx_elsewhere")


@pytest.mark.parametrize(
    ("to", "flags", "complaint"),
    [
        ("nonsense", (), "has no port"),
        (
            "plugins.example:9000",
            (),
            "is not on this machine: name --tls-cert, --tls-key and --tls-ca, or say --no-tls",
        ),
        ("127.0.0.1:9", ("--tls-cert", "x"), "given a certificate but no key"),
        ("127.0.0.1:9", ("--tls-ca", "x"), "the authority to trust"),
    ],
)
def test_what_cannot_be_relayed_is_not_installed(
    folder: Path, to: str, flags: tuple[str, ...], complaint: str
) -> None:
    done = install_into(folder, to, *flags)
    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
    assert [path.name for path in folder.iterdir()] == ["plugin.json"]


@pytest.mark.parametrize(
    ("to", "flags"), [("nonsense", ()), ("127.0.0.1:9", ("--tls-cert", "x")), ("plugins.example:9", ())]
)
def test_an_install_that_fails_leaves_the_working_relay_as_it_is(
    folder: Path, to: str, flags: tuple[str, ...]
) -> None:
    install(folder, NOBODY)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert install_into(folder, to, *flags, "--force").returncode == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    done = install_into(tmp_path / "nope", NOBODY)
    assert done.returncode == 1
    assert "plugin.json: does not exist; put one there, or name the folder that holds it" in done.stderr


def test_a_plugins_own_executable_is_not_replaced_unasked(folder: Path) -> None:
    path = install(folder, NOBODY)
    path.write_text("a plugin")
    assert "is there already" in install_into(folder, NOBODY).stderr
    assert path.read_text() == "a plugin"
    assert install_into(folder, NOBODY, "--force").returncode == 0
    assert install_into(folder, "127.0.0.1:10").returncode == 0, "a relay may be replaced by another"


def test_by_hand_it_says_who_launches_it(tmp_path: Path) -> None:
    path = install(tmp_path / "relay", NOBODY)
    environment = {name: value for name, value in os.environ.items() if name != "grafana_plugin_type"}
    done = subprocess.run([path], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "launched by Grafana" in done.stderr


@pytest.mark.timeout(300)  # the first run builds the Go programs
@pytest.mark.parametrize("link", [(), ("-automtls",)], ids=["plain", "tls of one run"])
async def test_under_a_host_in_go(tmp_path: Path, link: tuple[str, ...]) -> None:
    host = build_sdk() / "sdkhost"
    call = {
        "call": "Data/QueryData",
        "request": {
            "pluginContext": {
                "orgId": 1,
                "pluginId": ID,
                "dataSourceInstanceSettings": {"id": 1, "uid": "u"},
            },
            "queries": [{"refId": "A", "json": "e30=", "timeRange": {"toEpochMS": 60_000}}],
        },
        "timeout": SECONDS,
    }
    async with listening(tmp_path) as (plugin, address):
        path = install(tmp_path / "relay", address)
        done = await asyncio.to_thread(
            subprocess.run,
            [host, *link, path],
            input=json.dumps(call) + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert {"end": "OK"} in lines, lines
        assert str(plugin.pid) in done.stdout
        assert lines[-1]["exited"]
        assert plugin.process.poll() is None
