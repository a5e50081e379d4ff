"""Hosts that attach to plugins which run already: their own of before, a test suite's, Go's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graftage import DataSource
from graftage.backend.health import HealthRequest, HealthStatus
from graftage.errors import NotImplementedByPlugin, SettingsError
from graftage.host.attach import ProcessNotFound, attach
from graftage.host.copies import Copies
from graftage.host.launch_options import LaunchOptions
from graftage.host.supervision import State
from graftage.protocol import rpc
from graftage.protocol.environment import plugin_environment
from graftage.protocol.reattach import ReattachData, read_reattach, write_reattach
from graftage.protocol.v2.data import encode_query_request
from graftage.sdk.test_mode import InProcess, serve_in_process, served_in_process
from support.elsewhere import (
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
from support.plugins import brokering, plain
from support.plugins.brokering import call, echo
from support.wait import eventually_async


class Elsewhere(DataSource):
    def query(self, query: Any) -> object:
        print("asked in process")
        return {"pid": [os.getpid()]}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="graftage-") as base:
        yield Path(base)


def attached(data: ReattachData, **options: Any) -> Any:
    return attach(data, plugin_id=ID, options=LaunchOptions(**options), logger=LOGGER)


async def data_of(plugin: PluginProcess, **more: Any) -> ReattachData:
    """What the handshake of a process that somebody started says of it. The process is waited for, as its
    parent would."""
    _, version, network, address, *_ = await plugin.handshake()
    threading.Thread(target=plugin.process.wait, daemon=True).start()
    return ReattachData(int(version), network, address, plugin.pid, **more)


async def test_a_plugin_of_this_very_process_is_asked_and_left_running() -> None:
    async with served_in_process(Elsewhere) as data:
        assert data == ReattachData(2, "unix", data.address, os.getpid(), test=True)
        for _ in range(2):
            async with attached(data) as plugin:
                assert pid_in(await plugin.client.query(request(), timeout=SECONDS)) == os.getpid()
                assert plugin.pid == os.getpid()
    with pytest.raises(ProcessNotFound):
        async with attached(data):
            pytest.fail("nobody is there")


async def test_who_serves_in_process_learns_of_the_address_and_of_the_end() -> None:
    mode = InProcess()
    serving = asyncio.create_task(serve_in_process(Elsewhere, mode))
    data = await mode.reattach
    async with attached(data) as plugin:
        report = await plugin.client.check_health(HealthRequest(request().context), timeout=SECONDS)
        assert report.status == HealthStatus.OK
    assert not mode.closed.is_set()
    serving.cancel()
    await asyncio.wait_for(mode.closed.wait(), SECONDS)
    await asyncio.wait({serving})
    assert not Path(data.address).exists()  # noqa: ASYNC240


async def test_what_is_printed_in_process_stays_and_reaches_the_host_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = bytearray()
    async with (
        served_in_process(Elsewhere, copy_output=True) as data,
        attached(data, copies=Copies(printed=printed.extend)) as plugin,
    ):
        await plugin.client.query(request(), timeout=SECONDS)
        await eventually_async(lambda: printed, what="the print")
    assert printed == b"asked in process\n"
    assert capsys.readouterr().out == "asked in process\n"


@pytest.mark.parametrize("version", [1, 2])
async def test_the_version_in_the_data_is_spoken(version: int) -> None:
    async with served_in_process(Elsewhere, version=version) as data, attached(data) as plugin:
        assert (data.version, plugin.version) == (version, version)
        assert pid_in(await plugin.client.query(request(), timeout=SECONDS)) == os.getpid()
        if version == 1:
            with pytest.raises(NotImplementedByPlugin):
                await plugin.client.check_health(HealthRequest(request().context), timeout=SECONDS)


async def test_one_that_is_no_tests_is_stopped_in_the_end(folder: Path) -> None:
    async with started(PROGRAM, folder, versions=(2,)) as process:
        async with attached(await data_of(process)) as plugin:
            assert pid_in(await plugin.client.query(request(), timeout=SECONDS)) == process.pid
        assert plugin.exited.is_set()
        assert await process.exit_status() == 0, "it was asked to"


async def test_one_that_does_not_end_when_asked_is_killed_by_its_pid(folder: Path) -> None:
    deaf = {"BEHAVIOUR": "deaf-to-shutdown,deaf-to-term"}
    async with started(Path(plain.__file__).read_text(), folder, environment=deaf) as process:  # noqa: ASYNC240
        async with attached(await data_of(process), stop_grace=0.3, term_grace=0.3):
            pass
        assert await process.exit_status() == -signal.SIGKILL


async def test_one_of_unknown_pid_is_asked_to_end(folder: Path) -> None:
    async with started(PROGRAM, folder, versions=(2,)) as process:
        data = replace(await data_of(process), pid=0)
        async with attached(data) as plugin:
            assert plugin.pid == 0
        assert await process.exit_status() == 0


async def test_its_death_is_seen_by_its_pid(folder: Path) -> None:
    async with started(PROGRAM, folder, versions=(2,)) as process:
        data = await data_of(process, test=True)
        async with attached(data) as plugin:
            killed = time.monotonic()
            process.process.kill()
            status = await asyncio.wait_for(plugin.wait_exit(), SECONDS)
            assert time.monotonic() - killed < 3.0
            assert str(status) == f"process {process.pid} is gone"


async def test_where_nobody_listens_no_process_is_signalled(folder: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])  # noqa: ASYNC220
    try:
        data = ReattachData(2, "unix", str(folder / "gone"), bystander.pid)
        with pytest.raises(ProcessNotFound, match="process not found"):
            async with attached(data):
                pytest.fail("nobody is there")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("options", [{"auto_mtls": True}, {"multiplex": True}])
async def test_what_is_settled_at_a_start_cannot_be_asked_for(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="settled when a process starts"):
        async with attached(ReattachData(2, "tcp", "127.0.0.1:9"), **options):
            pytest.fail("it attached")


async def test_what_was_printed_while_no_host_was_there_reaches_the_next(folder: Path) -> None:
    first, second = bytearray(), bytearray()
    async with started(PROGRAM, folder, versions=(2,)) as process:
        data = await data_of(process, test=True)
        async with attached(data, copies=Copies(printed=first.extend)) as plugin:
            await plugin.client.query(request(), timeout=SECONDS)
            await eventually_async(lambda: first, what="the first print")
        async with process.channel() as channel:
            await channel.unary_unary(rpc.QUERY_DATA)(encode_query_request(request()), timeout=SECONDS)
        async with attached(data, copies=Copies(printed=second.extend)):
            await eventually_async(lambda: second, what="the second print")
    assert bytes(first) == bytes(second) == b"asked\n"


async def test_the_broker_works_for_each_host_in_turn(folder: Path) -> None:
    async with started(Path(brokering.__file__).read_text(), folder, versions=(1,)) as process:  # noqa: ASYNC240
        data = await data_of(process, test=True)
        for _ in range(2):
            async with attached(data) as plugin:
                link = plugin.link
                own = link.broker.next_id()
                async with link.broker.accept(own, [echo("the host")]):
                    assert await call(link.channel, "interop.Broker/DialBack", str(own)) == (
                        "the host heard: a question"
                    )


async def test_a_host_keeps_one_as_it_keeps_its_own(folder: Path) -> None:
    plugins = described(folder / "plugins" / ID).parent
    async with served_in_process(Elsewhere) as data, hosting(plugins, elsewhere={ID: data}) as host:
        await reach(host, State.RUNNING)
        assert host.status(ID).pid == os.getpid()
        assert pid_in(await host.query(ID, request(), timeout=SECONDS)) == os.getpid()


async def test_the_command_line_asks_one_and_leaves_it_running(folder: Path) -> None:
    async with started(PROGRAM, folder, versions=(2,)) as process:
        data = write_reattach(await data_of(process))
        asked = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "graftage", "query", "--reattach", data, "--format", "csv", "{}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, asked.stderr
        assert str(process.pid) in asked.stdout
        assert process.process.poll() is None


@pytest.mark.timeout(300)  # the first run builds the Go programs
async def test_a_plugin_of_go_is_attached_to_and_stopped(folder: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220
        [build_sdk() / "sdkplugin"],
        env=plugin_environment(os.environ, {"TMPDIR": str(folder)}, versions=(2,)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        _, version, network, address, *_ = (
            (await asyncio.to_thread(process.stdout.readline)).decode().split("|")
        )
        threading.Thread(target=process.wait, daemon=True).start()
        async with attached(ReattachData(int(version), network, address, process.pid)) as plugin:
            (result,) = await plugin.client.query(request(), timeout=SECONDS)
            assert not result.error
        await eventually_async(lambda: process.poll() is not None, what="it ends")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "data",
    [ReattachData(2, "unix", "/tmp/plugin1", 7, test=True), ReattachData(1, "tcp", "127.0.0.1:9")],
)
def test_the_json_form_is_read_as_it_was_written(data: ReattachData) -> None:
    assert read_reattach(write_reattach(data)) == data


def test_the_json_form_is_that_of_other_products() -> None:
    assert write_reattach(ReattachData(2, "unix", "/tmp/plugin123", 1234, test=True)) == (
        '{"Protocol":"grpc","ProtocolVersion":2,"Pid":1234,"Test":true,'
        '"Addr":{"Network":"unix","String":"/tmp/plugin123"}}'
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "expected reattach data as JSON"),
        ("[]", "as a JSON object"),
        ('{"Protocol":"grpc","ProtocolVersion":2}', 'has no "Addr"'),
        ('{"ProtocolVersion":2,"Addr":{}}', "\"Protocol\": ''"),
        ('{"Protocol":"grpc","ProtocolVersion":5,"Addr":{}}', "from 1 to 2"),
        ('{"Protocol":"grpc","ProtocolVersion":2,"Pid":-1,"Addr":{}}', '"Pid": -1'),
        ('{"Protocol":"grpc","ProtocolVersion":2,"Addr":{"Network":"pipe"}}', "network 'pipe' is unknown"),
    ],
)
def test_json_that_is_no_reattach_data_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_reattach(text)
    assert complaint in str(refused.value)
