"""How a plugin's process ends, or fails to begin: statuses, time bounds, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import grpc.aio
import pytest

from support.plugin_process import ask, shut_down, started
from support.wait import eventually_async

HOST_PATIENCE = 2.0 * 2  # a host kills after two seconds; this machine may be busy

PLUGIN = """
import asyncio, os, time
from graftage import DataSource, query_type, serve

class Source(DataSource):
    @query_type("slow")
    async def slow(self, query):
        print("slow has begun")
        await asyncio.sleep(query.model["seconds"])
        print("slow has ended")

    @query_type("blocking")
    async def blocking(self, query):
        print("blocking has begun")
        time.sleep(3600)

    @query_type("thread")
    def thread(self, query):
        print("thread has begun")
        time.sleep(3600)

    async def query(self, query):
        pass

    async def aclose(self):
        print("closed", self.settings.name)

serve(Source)
print("code after serve")
"""


def sockets(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith("plugin") and name != "plugin.py"]


async def test_after_shutdown_the_code_behind_serve_runs_and_the_status_is_zero(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin:
        async with plugin.channel() as channel:
            await ask(channel, {"A": "{}"})
            begin = time.monotonic()
            await shut_down(channel)
            status = await plugin.exit_status()

        assert status == 0
        assert time.monotonic() - begin < HOST_PATIENCE
        assert plugin.messages()[-2:] == ["closed weather", "code after serve"]
        assert sockets(tmp_path) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_to_end_stops_orderly_with_a_status_that_tells_it(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        await ask(channel, {"A": "{}"})
        begin = time.monotonic()
        os.kill(plugin.pid, number)

        assert await plugin.exit_status() == status
        assert time.monotonic() - begin < HOST_PATIENCE
        assert "closed weather" in plugin.messages()
        assert "code after serve" not in plugin.messages()
        assert sockets(tmp_path) == []


async def test_a_running_call_gets_a_second_to_end(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        call = asyncio.ensure_future(ask(channel, {"A": '{"queryType": "slow", "seconds": 0.2}'}))
        await eventually_async(lambda: "slow has begun" in plugin.messages(), what="the call to begin")
        await shut_down(channel)

        assert set(await call) == {"A"}
        assert await plugin.exit_status() == 0
        assert "slow has ended" in plugin.messages()


async def test_after_serve_the_signals_are_the_authors_again(tmp_path: Path) -> None:
    script = PLUGIN + "os.kill(os.getpid(), 15)\ntime.sleep(3600)\n"
    async with started(script, tmp_path) as plugin, plugin.channel() as channel:
        await ask(channel, {"A": "{}"})
        await shut_down(channel)

        assert await plugin.exit_status() == -signal.SIGTERM


@pytest.mark.parametrize("kind", ["slow", "thread"])
async def test_a_call_that_takes_longer_is_cancelled_and_told_so(tmp_path: Path, kind: str) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        call = asyncio.ensure_future(ask(channel, {"A": json.dumps({"queryType": kind, "seconds": 3600})}))
        await eventually_async(lambda: f"{kind} has begun" in plugin.messages(), what="the call to begin")
        begin = time.monotonic()
        await shut_down(channel)

        with pytest.raises(grpc.aio.AioRpcError, match="stopped before it had the answer") as failed:
            await call
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await plugin.exit_status() == 0
        assert time.monotonic() - begin < HOST_PATIENCE


async def test_not_even_a_blocked_event_loop_keeps_the_process_alive(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        call = asyncio.ensure_future(ask(channel, {"A": '{"queryType": "blocking"}'}))
        await eventually_async(lambda: "blocking has begun" in plugin.messages(), what="the call to begin")
        begin = time.monotonic()
        os.kill(plugin.pid, signal.SIGTERM)

        assert await plugin.exit_status() == 143
        assert time.monotonic() - begin < HOST_PATIENCE
        assert any("did not stop within" in text for text in plugin.messages())
        assert sockets(tmp_path) == []
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_interrupts_are_ignored_and_counted(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        await ask(channel, {"A": "{}"})
        for count in (1, 2):
            os.kill(plugin.pid, signal.SIGINT)
            await eventually_async(
                lambda count=count: [record for record in plugin.records() if record.get("count") == count],
                what=f"record of interrupt {count}",
            )

        assert set(await ask(channel, {"A": "{}"})) == {"A"}


async def test_sigquit_shows_every_stack_and_kills(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        await ask(channel, {"A": "{}"})
        os.kill(plugin.pid, signal.SIGQUIT)

        assert await plugin.exit_status() == -signal.SIGQUIT
        assert sum(b"most recent call first" in line for line in plugin.err) > 1


def launching(script: str, folder: Path) -> str:
    """A program that launches this plugin, which inherits its pipes, and waits to be killed."""
    (folder / "child.py").write_text(script)
    return (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, {str(folder / 'child.py')!r}])\n"
        "print(child.pid, file=sys.stderr, flush=True)\n"
        "time.sleep(3600)\n"
    )


async def test_a_plugin_stops_when_its_launcher_is_gone(tmp_path: Path) -> None:
    async with started(launching(PLUGIN, tmp_path), tmp_path) as outer:
        await outer.handshake()
        async with outer.channel() as channel:
            await ask(channel, {"A": "{}"})
            outer.process.kill()

            assert (
                await outer.exit_status() == -signal.SIGKILL
            )  # its pipes end with the plugin that holds them
        assert any("is gone" in record.get("reason", "") for record in outer.records())
        assert outer.messages()[-2:] == ["closed weather", "code after serve"]
        assert sockets(tmp_path) == []


async def test_a_plugin_that_outlives_its_host_goes_on_serving_until_told_to_stop(tmp_path: Path) -> None:
    often = "from graftage.sdk import stopping\nstopping.PARENT_POLL_SECONDS = 0.01\n"
    script = PLUGIN.replace("serve(Source)", f"{often}serve(Source, outlive_host=True)")
    async with started(launching(script, tmp_path), tmp_path) as outer:
        await outer.handshake()
        async with outer.channel() as channel:
            await ask(channel, {"A": "{}"})
            outer.process.kill()

            # A plugin that stops would let the first call end, and refuse the second.
            await ask(channel, {"A": '{"queryType": "slow", "seconds": 0.5}'})
            assert set(await ask(channel, {"A": "{}"})) == {"A"}
            await shut_down(channel)
            await outer.exit_status()
        assert outer.messages()[-2:] == ["closed weather", "code after serve"]


async def test_a_closed_stderr_is_no_reason_to_die(tmp_path: Path) -> None:
    script = PLUGIN.replace(
        "async def query(self, query):", "async def query(self, query):\n        os.close(2)"
    )
    async with started(script, tmp_path) as plugin, plugin.channel() as channel:
        for _ in range(3):
            assert set(await ask(channel, {"A": "{}"})) == {"A"}
        await shut_down(channel)

        assert await plugin.exit_status() == 0


def run_by_hand(
    script: str, folder: Path, *arguments: str, cookie: str | None
) -> subprocess.CompletedProcess[str]:
    path = folder / "plugin.py"
    path.write_text(script)
    environment = {name: value for name, value in os.environ.items() if name != "grafana_plugin_type"}
    if cookie is not None:
        environment["grafana_plugin_type"] = cookie
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("cookie", [None, "", "panel"])
def test_a_person_who_starts_the_file_is_told_how_to_run_it(tmp_path: Path, cookie: str | None) -> None:
    finished = run_by_hand(PLUGIN, tmp_path, cookie=cookie)

    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "plugin.py is a backend plugin of Grafana" in finished.stderr
    assert f"graftage query --plugin {tmp_path / 'plugin.py'}" in finished.stderr
    assert f"#!{sys.executable}" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("cookie", [None, "datasource"])
def test_the_switches_answer_with_or_without_a_host(tmp_path: Path, cookie: str | None) -> None:
    (tmp_path / "plugin.json").write_text('{"id": "acme", "info": {"version": "2.0.1"}}')

    version = run_by_hand(PLUGIN, tmp_path, "-version", cookie=cookie)
    build = run_by_hand(PLUGIN, tmp_path, "-buildinfo", cookie=cookie)

    assert (version.returncode, version.stdout) == (0, "2.0.1\n")
    assert build.returncode == 0
    assert json.loads(build.stdout)["pluginID"] == "acme"


@pytest.mark.parametrize(
    ("script", "environment", "complaint"),
    [
        ("serve(type('Nothing', (), {}))", {}, "Nothing answers no query"),
        ("serve('no_such_module:Class')", {}, "No module named 'no_such_module'"),
        ("serve('json:Missing')", {}, "has no attribute 'Missing'"),
        ("serve('json')", {}, "expected 'package.module:Class'"),
        ("serve(query=print)", {"PLUGIN_UNIX_SOCKET_DIR": "/nowhere/at/all"}, "cannot listen on /nowhere"),
        ("serve(query=print)", {"PLUGIN_UNIX_SOCKET_GROUP": "no-such-group"}, "no-such-group"),
        ("serve(query=print)", {"PLUGIN_UNIX_SOCKET_DIR": "/tmp/" + "x" * 120}, "bytes, the system allows"),
    ],
)
async def test_a_plugin_that_cannot_start_exits_with_1_and_says_why(
    tmp_path: Path, script: str, environment: dict[str, str], complaint: str
) -> None:
    async with started(
        f"from graftage import serve\n{script}\n", tmp_path, environment=environment
    ) as plugin:
        assert await plugin.exit_status() == 1

        (record,) = [record for record in plugin.records() if record["@level"] == "error"]
        assert complaint in record["@message"] + record.get("error", "")
        assert sockets(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "complaint"),
    [("serve()", "takes a class"), ("serve(int, query=print)", "takes a class")],
)
async def test_serve_without_or_with_two_targets_is_a_mistake(
    tmp_path: Path, script: str, complaint: str
) -> None:
    async with started(f"from graftage import serve\n{script}\n", tmp_path) as plugin:
        assert await plugin.exit_status() == 1
        assert complaint in plugin.err[-1].decode()
        assert plugin.out == []


async def test_a_crash_before_serve_shows_its_traceback_and_its_prints(tmp_path: Path) -> None:
    script = "from graftage import serve\nprint('so far')\nraise RuntimeError('boom')\n"
    async with started(script, tmp_path) as plugin:
        assert await plugin.exit_status() == 1
        assert b"RuntimeError: boom" in plugin.err
        assert plugin.messages() == ["so far"]
        assert plugin.out == []
