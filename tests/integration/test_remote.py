"""Plugins that listen on the network, and a host that connects: over TLS, supervised, left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest

from graftage.errors import PluginNotRunning, PluginUnavailable, SettingsError
from graftage.host.host import Host
from graftage.host.launch_options import LaunchOptions
from graftage.host.remote import RemotePlugin, connect
from graftage.host.supervision import State
from graftage.protocol import rpc
from graftage.protocol.channel import target
from graftage.protocol.network_peer import NetworkPeer
from graftage.protocol.network_tls import TlsFiles
from support.certificates import Authority
from support.elsewhere import (
    BY_NOBODY,
    ID,
    LOGGER,
    PROGRAM,
    SECONDS,
    described,
    hosting,
    listening,
    pem_files,
    pid_in,
    reach,
    request,
    tls_flags,
    usual_port,
)
from support.go import build_sdk
from support.plugin_process import ask, started
from support.wait import eventually_async


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Folders of plugins: one has a description, and no executable."""
    described(tmp_path / "plugins" / ID)
    return tmp_path / "plugins"


def remote(address: str, tls: TlsFiles | None = None, **more: object) -> dict[str, RemotePlugin]:
    return {ID: RemotePlugin(NetworkPeer(address, tls), **more)}  # type: ignore[arg-type]


async def asked(host: Host) -> int:
    """The process that answers a query."""
    return pid_in(await host.query(ID, request(), timeout=SECONDS))


async def test_it_is_asked_over_tls_and_left_running(tmp_path: Path, plugins: Path) -> None:
    authority = Authority()
    own = pem_files(tmp_path / "own", authority, "127.0.0.1")
    theirs = pem_files(tmp_path / "theirs", authority, "the host")
    async with listening(tmp_path, *tls_flags(own)) as (plugin, address):
        for _ in range(2):  # a second host finds it as the first one did
            async with hosting(plugins, elsewhere=remote(address, theirs)) as host:
                assert await asked(host) == plugin.pid
                status = host.status(ID)
                assert (status.state, status.pid, status.address) == (State.RUNNING, None, address)
            assert plugin.process.poll() is None


async def test_the_certificate_may_be_for_another_name(tmp_path: Path, plugins: Path) -> None:
    authority = Authority()
    own = pem_files(tmp_path / "own", authority, "plugins.example")
    theirs = pem_files(tmp_path / "theirs", authority, "the host")
    async with listening(tmp_path, *tls_flags(own)) as (plugin, address):
        peer = NetworkPeer(address, theirs, server_name="plugins.example")
        async with hosting(plugins, elsewhere={ID: RemotePlugin(peer)}) as host:
            assert await asked(host) == plugin.pid
        async with hosting(plugins, elsewhere=remote(address, theirs)) as host:
            status = await reach(host, State.FAILED)
            assert "certificate is not valid for '127.0.0.1'" in status.reason


@pytest.mark.parametrize(
    ("shown", "trusted", "reason"),
    [
        ("right", "other", "certificate verify failed"),
        ("other", "right", "unknown ca"),
        ("none", "right", "certificate required"),
    ],
    ids=["a plugin of another authority", "a host of another authority", "a host without a certificate"],
)
async def test_strangers_are_refused(
    tmp_path: Path, plugins: Path, shown: str, trusted: str, reason: str
) -> None:
    right, other = Authority(), Authority("another")
    own = pem_files(tmp_path / "own", right, "127.0.0.1")
    files = {
        "right": pem_files(tmp_path / "right", right, "the host"),
        "other": pem_files(tmp_path / "other", other, "the host"),
        "none": TlsFiles(),
    }
    theirs = TlsFiles(files[shown].certificate, files[shown].key, files[trusted].authority)
    async with (
        listening(tmp_path, *tls_flags(own)) as (_, address),
        hosting(plugins, elsewhere=remote(address, theirs)) as host,
    ):
        status = await reach(host, State.FAILED)
        assert reason in status.reason.lower().replace("_", " ")
        with pytest.raises(PluginNotRunning):
            await asked(host)


async def test_a_host_without_tls_is_told_that_the_plugin_may_want_it(tmp_path: Path, plugins: Path) -> None:
    own = pem_files(tmp_path / "own", Authority(), "127.0.0.1")
    async with (
        listening(tmp_path, *tls_flags(own)) as (_, address),
        hosting(plugins, elsewhere=remote(address), limits={"connect_timeout": 0.5}) as host,
    ):
        await eventually_async(lambda: host.status(ID).reason, what="a reason")
        assert "TLS was not asked for: does the plugin want it?" in host.status(ID).reason


async def test_one_that_was_killed_is_missed_at_its_own_address(tmp_path: Path) -> None:
    options = LaunchOptions(reconnect_timeout=30.0)
    async with (
        listening(tmp_path) as (plugin, address),
        connect(RemotePlugin(NetworkPeer(address)), plugin_id=ID, options=options, logger=LOGGER) as running,
    ):
        await running.client.query(request(), timeout=SECONDS)
        plugin.process.kill()
        for _ in range(2):
            with pytest.raises(PluginUnavailable) as missed:
                await running.client.query(request(), timeout=SECONDS)
            assert f"is not there: {address}: " in str(missed.value)
            assert "private" not in str(missed.value), "our own sockets are nobody's concern"


async def test_one_that_was_killed_is_found_again(tmp_path: Path, short_path: Path, plugins: Path) -> None:
    async with (
        listening(tmp_path, at=usual_port()) as (first, address),
        hosting(plugins, elsewhere=remote(address)) as host,
    ):
        assert await asked(host) == first.pid
        first.process.kill()
        await eventually_async(lambda: host.status(ID).reason, what="it is missed")
        assert "it was lost: the connection broke" in host.status(ID).reason
        async with listening(short_path, at=address) as (second, _):
            await reach(host, State.RUNNING, restarts=1)
            assert await asked(host) == second.pid


async def test_one_that_hangs_is_given_up_for_its_health_checks(tmp_path: Path, plugins: Path) -> None:
    async with (
        listening(tmp_path) as (plugin, address),
        hosting(plugins, elsewhere=remote(address, check_seconds=0.2)) as host,
    ):
        await reach(host, State.RUNNING)
        os.kill(plugin.pid, signal.SIGSTOP)  # the system still takes connections for it
        try:
            await eventually_async(lambda: host.status(ID).state is not State.RUNNING, what="it is lost")
            assert "health checks" in host.status(ID).reason
        finally:
            os.kill(plugin.pid, signal.SIGCONT)
        await reach(host, State.RUNNING, restarts=1)
        assert await asked(host) == plugin.pid


async def test_it_serves_both_versions_and_nothing_that_is_about_one_host(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, address):
        async with grpc.aio.insecure_channel(target("tcp", address)) as channel:
            assert set(await ask(channel, {"A": "{}"})) == {"A"}
            for method in (rpc.SHUTDOWN, rpc.STREAM_STDIO, rpc.START_BROKER):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await channel.unary_unary(method)(b"", timeout=SECONDS)
                assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        peer = NetworkPeer(address)
        for version in (1, 2):
            where = RemotePlugin(peer, version=version)
            async with connect(where, plugin_id=ID, options=LaunchOptions(), logger=LOGGER) as running:
                assert running.version == version
                assert await running.client.query(request(), timeout=SECONDS)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals, status: int) -> None:
    async with listening(tmp_path) as (plugin, address):
        plugin.process.send_signal(number)
        assert await plugin.exit_status() == status
        async with listening(tmp_path, at=address):
            pass  # the address is free at once


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--listen", "0.0.0.0:0"), "can be reached from other machines"),
        (("--listen", "nonsense"), "expected --listen HOST:PORT"),
        (("--listen", "127.0.0.1:0", "--tls-cert", "x"), "given a certificate but no key"),
        (("--listen", "127.0.0.1:0", "--tls-ca", "x"), "takes a certificate and its key"),
        (("--listen", "127.0.0.1:0", "--tls-ca", "x", "--no-tls"), "exclude each other"),
        (
            ("--listen", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "x", "--tls-ca", "x"),
            "in x, the author",
        ),
        (("--listen", "192.0.2.1:9000", "--no-tls"), "cannot listen on 192.0.2.1:9000"),
    ],
)
async def test_what_cannot_be_listened_to_is_told(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    async with started(PROGRAM, tmp_path, environment=BY_NOBODY, arguments=arguments) as plugin:
        assert await plugin.exit_status() == 2
        assert complaint in b"\n".join(plugin.err).decode()


async def test_a_variable_makes_it_listen_unless_a_host_launched_it(tmp_path: Path) -> None:
    variable = {"GRAFTAGE_PLUGIN_LISTEN": "127.0.0.1:0"}
    async with started(PROGRAM, tmp_path, environment=BY_NOBODY | variable) as plugin:
        await eventually_async(lambda: "the plugin listens" in plugin.messages(), what="it listens")
    async with started(PROGRAM, tmp_path, environment=variable) as plugin:
        assert (await plugin.handshake())[2] == "unix"


@pytest.mark.timeout(300)  # the first run builds the Go programs
async def test_a_go_plugin_that_stands_alone_is_a_remote_one(tmp_path: Path, plugins: Path) -> None:
    folder = described(tmp_path / "go", executable="gpx", plugin_id="interop-datasource")
    command = [build_sdk() / "sdkplugin", "-standalone"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        file = folder / "standalone.txt"
        await eventually_async(lambda: file.exists() and file.read_text(), what="an address")
        address = f"127.0.0.1{file.read_text()}"
        async with hosting(plugins, elsewhere=remote(address)) as host:
            await reach(host, State.RUNNING)
            (result,) = await host.query(ID, request(), timeout=SECONDS)
            assert result.ref_id == "A"
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


async def test_the_server_takes_it_from_its_settings_and_shows_the_address(
    tmp_path: Path, plugins: Path
) -> None:
    async with listening(tmp_path) as (_, address):
        settings = tmp_path / "graftage.toml"
        settings.write_text(
            f'data = "kept"\nplugins = ["{plugins}"]\naddress = "127.0.0.1:0"\n'
            f'[plugin."{ID}"]\naddress = "{address}"\n'
        )
        server = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "graftage", "serve", "--config", settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]

            def shown() -> subprocess.CompletedProcess[str]:
                command = [sys.executable, "-m", "graftage", "plugins", "--url", url, "--json"]
                return subprocess.run(command, capture_output=True, text=True, check=False)

            def state() -> object:
                return json.loads(shown().stdout)["plugins"][0]["state"]

            await eventually_async(lambda: state() == "running", what="the plugin runs")
            (plugin,) = json.loads(shown().stdout)["plugins"]
            assert (plugin["address"], plugin["pid"]) == (address, None)
        finally:
            server.terminate()
            server.communicate()


def test_plain_text_beyond_this_machine_has_to_be_asked_for() -> None:
    with pytest.raises(SettingsError, match="not on this machine"):
        NetworkPeer("plugins.example:9000")
    assert NetworkPeer("plugins.example:9000", is_open=True).tls is None
    assert NetworkPeer("localhost:9000").tls is None
    with pytest.raises(SettingsError, match="set up and switched off"):
        replace(NetworkPeer("localhost:9000", is_open=True), tls=TlsFiles())
