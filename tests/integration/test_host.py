"""The host with real plugin processes: it keeps them running, waits for them, and leaves none behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.errors import NotFound, PluginUnavailable
from graftage.host.discovery import discover
from graftage.host.host import Host, HostOptions, plugin_variables
from graftage.host.launch import LaunchOptions
from graftage.host.supervision import BackOff, PluginStatus, State
from support.golden.run_folder import SCRIPTED, install
from support.wait import eventually, eventually_async

PROBE = "probe-datasource"
QUICK = BackOff(first=0.05, longest=30.0, jitter=0.0)


def asking(**probe: Any) -> QueryRequest:
    """A request that tells the probe what to do."""
    source = DataSourceSettings(1, 1, "Probe", PROBE)
    return QueryRequest(TimeRange(0, 1), context_of(source), (Query("A", json=json.dumps({"probe": probe})),))


ANSWER = asking(response={"results": [{"refId": "A", "error": "as told"}]})


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


def probe(plugins: Path) -> None:
    install(SCRIPTED["probe"], plugins / PROBE)


def program(plugins: Path, plugin_id: str, body: str, *, file: str = "tool", mode: int = 0o755) -> Path:
    """A plugin whose executable is this script."""
    folder = plugins / plugin_id
    folder.mkdir()
    description = {"id": plugin_id, "type": "datasource", "backend": True, "executable": "tool"}
    (folder / "plugin.json").write_text(json.dumps(description))
    (folder / file).write_text(body)
    (folder / file).chmod(mode)
    return folder / file


def host(plugins: Path, back_off: BackOff = QUICK, **options: Any) -> Host:
    found = discover([plugins])
    return Host(found.plugins, HostOptions(back_off=back_off, **options), problems=found.problems)


async def reach(host: Host, plugin_id: str, state: State, *, restarts: int = 0) -> PluginStatus:
    """Wait for a state, after so many restarts."""
    await eventually_async(
        lambda: host.status(plugin_id).state is state and host.status(plugin_id).restarts >= restarts,
        timeout=20,
        what=f"{plugin_id} {state}: {host.status(plugin_id)}",
    )
    return host.status(plugin_id)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or _state(pid) != "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


async def test_a_query_waits_for_the_first_start_and_the_status_shows_the_process(plugins):
    probe(plugins)
    async with host(plugins) as running:
        assert running.status(PROBE).state is State.STARTING
        [result] = await running.query(PROBE, ANSWER, timeout=20)
        assert (result.ref_id, result.error) == ("A", "as told")
        status = running.status(PROBE)
        assert running.statuses() == (status,)
        assert (status.id, status.version, status.state) == (PROBE, "1.0.0", State.RUNNING)
        assert status.pid is not None
        assert alive(status.pid)
    assert running.status(PROBE).state is State.STOPPED
    assert not alive(status.pid)


async def test_a_plugin_that_is_killed_is_back_in_about_a_second_and_a_query_meanwhile_waits(plugins):
    probe(plugins)
    async with host(plugins, BackOff()) as running:
        pid = (await reach(running, PROBE, State.RUNNING)).pid
        assert pid is not None
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        await eventually_async(lambda: running.status(PROBE).last_exit, what="the end is noticed")
        assert (await running.query(PROBE, ANSWER, timeout=20))[0].error == "as told"
        waited = time.monotonic() - killed
        status = running.status(PROBE)
        assert (status.restarts, status.last_exit, status.reason) == (1, "signal 9 (SIGKILL)", "")
        assert status.pid != pid
        assert 0.8 <= waited < 10  # the first wait, and the time that a Python plugin takes to start


async def test_a_plugin_that_exits_during_a_query_fails_that_one_and_answers_the_next(plugins):
    probe(plugins)
    async with host(plugins) as running:
        with pytest.raises(PluginUnavailable, match=r"the call broke off: .* ended with status 3"):
            await running.query(PROBE, asking(exit=3), timeout=20)
        assert (await running.query(PROBE, ANSWER, timeout=20))[0].error == "as told"


async def test_what_a_plugin_wrote_before_it_crashed_is_told_to_the_one_who_asked(plugins):
    probe(plugins)
    async with host(plugins) as running:
        with pytest.raises(
            PluginUnavailable, match=r"stderr: panic: index out of range / goroutine 1 \[running"
        ):
            await running.query(PROBE, asking(panic="index out of range"), timeout=20)


async def test_a_plugin_that_never_comes_up_is_tried_less_and_less_often_until_it_has_failed(plugins):
    program(plugins, "crash", "#!/bin/sh\necho cannot find my database >&2\nexit 3\n")
    async with host(plugins, BackOff(first=0.01, longest=0.04, jitter=0.0)) as running:
        failed = await reach(running, "crash", State.FAILED, restarts=2)
        assert (failed.pid, failed.last_exit) == (None, "status 3")
        assert failed.stderr_tail == ("cannot find my database",)
        assert "status 3" in failed.reason
        await reach(running, "crash", State.FAILED, restarts=3)


async def test_a_plugin_without_a_file_to_launch_has_failed_and_comes_up_once_it_is_there(plugins):
    probe(plugins)
    [binary] = (plugins / PROBE).glob("probe-plugin_*")
    binary.chmod(0o644)
    async with host(plugins, BackOff(first=0.05, longest=0.2, jitter=0.0)) as running:
        failed = await reach(running, PROBE, State.FAILED)
        assert failed.reason == f"{binary} may not be executed by the host's user; chmod +x it"
        binary.chmod(0o755)
        assert (await reach(running, PROBE, State.RUNNING)).reason == ""


async def test_a_plugin_for_another_protocol_has_failed_at_its_first_start(plugins):
    program(plugins, "later", "#!/bin/sh\necho '1|3|unix|/tmp/none|grpc|'\nexec sleep 100\n")
    async with host(plugins) as running:
        failed = await reach(running, "later", State.FAILED)
        assert "application protocol 3" in failed.reason
        with pytest.raises(PluginUnavailable, match="plugin 'later' is failed"):
            await running.query("later", ANSWER, timeout=20)


async def test_a_script_without_an_exec_bit_is_run_by_the_host_s_python(plugins, tmp_path):
    said = tmp_path / "said"
    body = f"import sys, pathlib; pathlib.Path({str(said)!r}).write_text(sys.executable + ' ' + sys.argv[0])"
    script = program(plugins, "script", body, file="tool.py", mode=0o644)
    async with host(plugins):
        await eventually_async(said.exists, what="the script ran")
        await eventually_async(said.read_text, what="the script wrote")
    assert said.read_text() == f"{sys.executable} {script}"


async def test_a_bad_plugin_takes_nothing_from_its_neighbour(plugins, caplog):
    probe(plugins)
    program(plugins, "crash", "#!/bin/sh\nexit 3\n")
    (plugins / "broken").mkdir()
    (plugins / "broken" / "plugin.json").write_text('{"id": "broken"}')
    async with host(plugins) as running:
        assert [plugin.id for plugin in running.installed] == ["crash", PROBE]
        assert [problem.key for problem in running.problems] == ["type"]
        assert (await running.query(PROBE, ANSWER, timeout=20))[0].error == "as told"
    assert caplog.text.count('broken/plugin.json: type: has no "type"; add one') == 1


async def test_who_is_not_there_or_has_no_backend_cannot_be_asked(plugins):
    for plugin_id, description in {
        "panel": {"id": "panel", "type": "panel"},
        "bad": {"id": "bad", "type": "datasource", "backend": "yes"},
    }.items():
        (plugins / plugin_id).mkdir()
        (plugins / plugin_id / "plugin.json").write_text(json.dumps(description))
    async with host(plugins) as running:
        assert running.statuses() == ()
        for plugin_id, complaint in {
            "nope": "no plugin has the id 'nope'; GET /api/plugins .*restart the server if it was added",
            "bad": r"no plugin has the id 'bad' \(.*plugin.json: backend: Expected bool, got str",
            "panel": "plugin 'panel' has no backend",
        }.items():
            with pytest.raises(NotFound, match=complaint):
                await running.query(plugin_id, ANSWER, timeout=1)
            with pytest.raises(NotFound, match=complaint):
                running.status(plugin_id)


# A plugin with a child that holds its output open; both say who they are, and neither ends by itself.
FAMILY = """#!/bin/sh
trap '' TERM INT
sleep 1000 &
echo $! > {place}/child
echo $$ > {place}/plugin
wait
"""


async def family(plugins: Path, running: Host, place: Path) -> list[int]:
    """The pids of a FAMILY that was launched."""
    await eventually_async(lambda: (place / "plugin").exists(), what="the family is there")
    await eventually_async(lambda: (place / "plugin").read_text().endswith("\n"), what="it has told its pids")
    return [int((place / name).read_text()) for name in ("plugin", "child")]


async def test_leaving_the_block_while_plugins_start_leaves_neither_them_nor_their_children(
    plugins, tmp_path
):
    program(plugins, "family", FAMILY.format(place=tmp_path))
    async with host(plugins, launch=LaunchOptions(stop_grace=0.1, term_grace=0.1)) as running:
        pids = await family(plugins, running, tmp_path)
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


async def test_a_host_that_is_cancelled_again_and_again_still_leaves_nothing(plugins, tmp_path):
    program(plugins, "family", FAMILY.format(place=tmp_path))
    probe(plugins)
    running = host(plugins, launch=LaunchOptions(stop_grace=0.3, term_grace=0.3))

    async def serve() -> None:
        async with running:
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    pids = await family(plugins, running, tmp_path)
    answering = (await reach(running, PROBE, State.RUNNING)).pid
    assert answering is not None
    while not serving.done():
        serving.cancel()
        await asyncio.sleep(0.01)
    assert serving.cancelled()
    for pid in (*pids, answering):
        eventually(lambda pid=pid: not alive(pid), timeout=2, what=f"process {pid} is gone")


async def test_stopping_twice_or_before_the_start_is_no_error(plugins):
    probe(plugins)
    await host(plugins).stop()
    async with host(plugins) as running:
        await running.stop()
        with pytest.raises(PluginUnavailable, match="is stopped"):
            await running.query(PROBE, ANSWER, timeout=20)


async def test_settings_reach_the_plugin_s_environment_and_no_log(plugins, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    place = tmp_path / "environment"
    program(plugins, "tell", f"#!/bin/sh\nenv > {place}.part\nmv {place}.part {place}\nexit 1\n")
    settings: Mapping[str, Mapping[str, str]] = {"tell": {"api_key": "s3cr3t", "path": "/x"}}
    running = host(plugins, plugin_settings=settings, launch=LaunchOptions(environment={"EXTRA": "1"}))
    async with running:
        await reach(running, "tell", State.STARTING, restarts=1)
    environment = dict(line.partition("=")[::2] for line in place.read_text().splitlines())
    assert environment["GF_PLUGIN_API_KEY"] == "s3cr3t"
    assert environment["EXTRA"] == "1"
    assert (environment["GF_VERSION"], environment["GF_EDITION"]) == ("12.0.0", "Open Source")
    assert "GF_PLUGIN_PATH" not in environment
    assert "s3cr3t" not in caplog.text
    assert "s3cr3t" not in repr(running.statuses())


def test_a_variable_of_the_host_wins_over_a_setting_unless_it_is_empty():
    options = HostOptions(plugin_settings={"a": {"one": "set", "two": "set", "id": "a"}})
    host_environment = {"GF_PLUGIN_ONE": "inherited", "GF_PLUGIN_TWO": ""}
    assert plugin_variables("a", options, host_environment) == {
        "GF_VERSION": "12.0.0",
        "GF_EDITION": "Open Source",
        "GF_PLUGIN_ONE": "inherited",
        "GF_PLUGIN_TWO": "set",
    }
    assert "set" not in repr(options)
