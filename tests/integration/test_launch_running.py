"""A plugin that runs: calls, output, what happens when it dies, hangs or loses its socket."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.errors import CallFailed, PluginTimeout, PluginUnavailable, WireError
from graftage.host.client import PluginClient
from graftage.host.launch import RunningPlugin
from graftage.protocol import rpc
from support.nasty import plain_plugin
from support.wait import eventually_async

REQUEST = QueryRequest(
    TimeRange(0, 1000), context_of(DataSourceSettings(1, 1, "test", "test-plugin")), (Query("A"),)
)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    return plain_plugin(tmp_path)


@pytest.mark.parametrize(
    "behaviour",
    [
        "",
        "tcp",
        "no-health,no-stdio",
        "not-serving",
        "in-pieces",
        "cr-lf,five-fields",
        "nine-fields",
        "junk-field",
    ],
)
async def test_a_plugin_answers_queries(start: Any, plugin: Path, behaviour: str) -> None:
    async with start(plugin, behaviour=behaviour) as running:
        (result,) = await running.client.query(REQUEST, timeout=5)
        assert result.ref_id == "A"
        assert list(result.series[0].values) == [0, 1, 2]
        assert running.version == 1
        assert os.getpgid(running.pid) == running.pid


async def test_a_large_answer_is_decoded_beside_the_event_loop(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="big-answer") as running:
        (result,) = await running.client.query(REQUEST, timeout=10)
        assert len(result.series[0].values) == 100_000


async def test_an_answer_above_the_limit_fails_that_call_only(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="big-answer", receive_bytes=100_000) as running:
        with pytest.raises(CallFailed) as caught:
            await running.client.query(REQUEST, timeout=5)
        assert caught.value.status == "RESOURCE_EXHAUSTED"
        await running.client.ping()


async def test_a_refused_call_brings_the_whole_text(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="refuse-query") as running:
        with pytest.raises(CallFailed, match=r"no such table: x{100000}") as caught:
            await running.client.query(REQUEST, timeout=5)
        assert caught.value.status == "INVALID_ARGUMENT"


async def test_a_plugin_that_calls_something_else_unavailable_is_still_there(
    start: Any, plugin: Path
) -> None:
    async with start(plugin, behaviour="say-unavailable") as running:
        with pytest.raises(CallFailed, match="the database is down") as caught:
            await running.client.query(REQUEST, timeout=5)
        assert caught.value.status == "UNAVAILABLE"


async def test_an_answer_that_is_no_message_is_the_plugins_fault(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="rubbish-answer") as running:
        with pytest.raises(WireError, match="plugin 'test-plugin' sent an answer that cannot be read"):
            await running.client.query(REQUEST, timeout=5)


async def test_a_silent_plugin_ends_the_call_at_its_deadline(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="hang-on-query") as running:
        began = time.monotonic()
        with pytest.raises(PluginTimeout, match=r"did not answer within 0\.2 s"):
            await running.client.query(REQUEST, timeout=0.2)
        assert time.monotonic() - began < 2


async def test_a_cancelled_caller_cancels_the_call_in_the_plugin(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="hang-on-query") as running:
        call = asyncio.ensure_future(running.client.query(REQUEST, timeout=30))
        await told(running, "a query hangs")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await told(running, "the query was cancelled")
        await running.client.ping()


async def test_a_stopped_plugin_times_out_and_goes_on_when_continued(start: Any, plugin: Path) -> None:
    async with start(plugin) as running:
        os.kill(running.pid, signal.SIGSTOP)
        with pytest.raises(PluginTimeout):
            await running.client.query(REQUEST, timeout=0.2)
        assert not running.exited.is_set()
        os.kill(running.pid, signal.SIGCONT)
        await running.client.query(REQUEST, timeout=5)


async def test_a_plugin_that_dies_in_a_call_is_unavailable_with_its_status(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="exit-on-query") as running:
        with pytest.raises(
            PluginUnavailable, match="plugin 'test-plugin' is not there: it exited with status 7"
        ):
            await running.client.query(REQUEST, timeout=5)
        assert str(await running.wait_exit()) == "status 7"
        with pytest.raises(PluginUnavailable, match="status 7"):
            await running.client.query(REQUEST, timeout=5)


async def test_the_end_of_the_process_is_known_at_once_and_logged(
    start: Any, plugin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with start(plugin) as running:
        os.kill(running.pid, signal.SIGKILL)
        async with asyncio.timeout(2):
            assert str(await running.wait_exit()) == "signal 9 (SIGKILL)"
    (record,) = [record for record in caplog.records if "exited with" in record.message]
    assert record.levelno == logging.ERROR
    assert record.__dict__["plugin_id"] == "test-plugin"


async def test_a_call_in_flight_when_the_plugin_is_stopped_is_unavailable(start: Any, plugin: Path) -> None:
    async with start(
        plugin, behaviour="hang-on-query,deaf-to-shutdown,deaf-to-term", stop_grace=0.1
    ) as running:
        call = asyncio.ensure_future(running.client.query(REQUEST, timeout=30))
        await told(running, "a query hangs")
    with pytest.raises(PluginUnavailable):
        await call


async def test_a_failed_call_whose_channel_is_closed_before_the_reason_is_known_is_unavailable(
    tmp_path: Path,
) -> None:
    looked_into = asyncio.Event()

    async def refuse(_request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "bye")

    async def hang(_request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        looked_into.set()
        await asyncio.Event().wait()
        return b""

    server = grpc.aio.server()
    for service, method, behaviour in ((rpc.DATASOURCE_V1, "Query", refuse), (rpc.HEALTH, "Check", hang)):
        handler = {method: grpc.unary_unary_rpc_method_handler(behaviour)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handler),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    channel = grpc.aio.insecure_channel(f"unix:{tmp_path}/s")
    client = PluginClient("test-plugin", channel, asyncio.get_running_loop().create_future(), 1)
    call = asyncio.ensure_future(client.query(REQUEST, timeout=5))
    await looked_into.wait()
    await channel.close()
    with pytest.raises(PluginUnavailable, match="bye"):
        await call
    await server.stop(None)


async def test_a_deleted_socket_does_no_harm_as_long_as_the_connection_stands(
    start: Any, plugin: Path
) -> None:
    async with start(plugin) as running:
        socket_file(running.pid).unlink()
        await running.client.query(REQUEST, timeout=5)
        assert not running.exited.is_set()


async def test_a_plugin_whose_socket_and_connection_are_gone_is_ended_to_be_started_again(
    start: Any, plugin: Path
) -> None:
    async with start(plugin, behaviour="drop-connections") as running:
        path = socket_file(running.pid)
        path.unlink()
        os.kill(running.pid, signal.SIGUSR1)
        async with asyncio.timeout(5):
            status = await running.wait_exit()
        assert status.why == f"the connection broke and its socket {path} is gone"
        assert "SIGTERM" in str(status)


async def test_what_the_program_prints_over_grpc_is_logged_at_debug(
    start: Any, plugin: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "host")
    async with start(plugin, behaviour="print") as running:
        await running.client.query(REQUEST, timeout=5)
        await eventually_async(lambda: "a query came" in caplog.text, what="what was printed")
    (record,) = [record for record in caplog.records if "a query came" in record.message]
    assert record.levelno == logging.DEBUG
    assert record.name == "host.plain"


@pytest.mark.parametrize(
    ("behaviour", "amount"),  # in bytes, more than may be read at once; lines and messages cost extra
    [
        ("flood-stdout", 6_000_000),
        ("flood-stderr", 6_000_000),
        ("flood-lines", 800_000),
        ("junk-to-stdout", 160_000),
        ("flood-print", 600_000),
    ],
)
async def test_a_flood_of_output_is_drained_and_hurts_nobody(
    start: Any, plugin: Path, behaviour: str, amount: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "host")
    options = {"log_rate": 50.0, "log_burst": 100.0, "output_rate": 4.0 * 1024 * 1024}
    async with start(plugin, behaviour=behaviour, **options) as running:
        began, used = time.monotonic(), time.process_time()
        first = await flooded(running)
        while await flooded(running) < first + amount:  # noqa: ASYNC110 - only its answers tell
            await asyncio.sleep(0.05)
        took = time.monotonic() - began
        # It was held back to the rate; of what is printed over gRPC, that itself holds some megabytes.
        assert took > 0.2 or behaviour == "flood-print"
        assert time.process_time() - used < 0.5 * max(took, 1.0)
        assert not running.exited.is_set()
    told = [record.message for record in caplog.records if "were left out" in record.message]
    logged = [record for record in caplog.records if "again" in record.message]
    if behaviour == "flood-lines":
        assert len(logged) <= 300
        assert len(running.stderr_tail) == 100
        assert told


@pytest.mark.parametrize("behaviour", ["burst-stdout", "burst-stderr"])
async def test_a_plugin_that_writes_much_before_it_answers_is_read_all_along(
    start: Any, plugin: Path, behaviour: str
) -> None:
    async with start(plugin, behaviour=behaviour) as running:
        for _ in range(2):
            (result,) = await running.client.query(REQUEST, timeout=10)
            assert result.ref_id == "A"


async def test_a_plugin_gets_one_broker_stream_and_one_stdio_stream(start: Any, plugin: Path) -> None:
    async with start(plugin, behaviour="tell-streams") as running:
        await eventually_async(lambda: len(running.stderr_tail) >= 2, what="the plugin has its streams")
        await running.client.query(REQUEST, timeout=5)
        await running.client.ping()
    assert sorted(running.stderr_tail) == ["a broker stream began", "a stdio stream began"]


async def told(running: RunningPlugin, what: str) -> None:
    """Wait until the plugin says on stderr that this has happened."""
    await eventually_async(lambda: what in running.stderr_tail, what=what)


async def flooded(running: RunningPlugin) -> int:
    """How many bytes the flood of `plugins/plain.py` has written."""
    (result,) = await running.client.query(REQUEST, timeout=5)
    return int(result.series[0].name.removesuffix(" bytes"))


def socket_file(pid: int) -> Path:
    """Where `plugins/plain.py` listens."""
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    folder = next(entry for entry in environment if entry.startswith(b"TMPDIR=")).removeprefix(b"TMPDIR=")
    return Path(os.fsdecode(folder)) / f"plugin{pid}"
