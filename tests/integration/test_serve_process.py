"""`graftage serve` as a person or a service manager sees it: a process, its output, its exit status."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.wait import eventually

START_SECONDS = 30  # of a loaded machine
STOP_SECONDS = 20  # the server takes 3 s for requests and its plugins 3 s; the rest is for a loaded machine

WAITS = """#!/bin/sh
trap '' TERM
sleep 1000 &
echo $$ $! > {plugin}/new
mv {plugin}/new {plugin}/pids
wait
"""

LEAST = {"name": "Kept", "type": "probe-datasource", "access": "proxy", "uid": "kept"}


@dataclass
class Server:
    """A `graftage serve` process; its output goes to files."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def url(self) -> str:
        eventually(self._has_spoken, timeout=START_SECONDS, what="the server is ready")
        assert self.process.poll() is None, self.err.read_text()
        return self.out.read_text().split()[-1]

    def _has_spoken(self) -> bool:
        return self.out.read_text().endswith("\n") or self.process.poll() is not None

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def serving(folder: Path, *flags: str, **environment: str) -> Iterator[Server]:
    folder.mkdir(exist_ok=True)
    out, err = folder / "out", folder / "err"
    command = [sys.executable, "-m", "graftage", "serve", "--address", "127.0.0.1:0"]
    command += ["--data", str(folder / "data"), *flags]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=os.environ | environment)
    try:
        yield Server(process, out, err)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def refused(folder: Path, *flags: str, **environment: str) -> str:
    """What a server that does not start says about it."""
    with serving(folder, *flags, **environment) as server:
        assert server.process.wait(START_SECONDS) == 2
        assert server.out.read_text() == ""
        complaint = server.err.read_text()
    assert complaint.startswith("graftage: ")
    assert complaint.count("\n") == 1
    return complaint


def add(server: Server, **fields: object) -> httpx.Response:
    return httpx.post(f"{server.url}/api/datasources", json=LEAST | fields, trust_env=False)


def get(server: Server, path: str) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", trust_env=False)


def plugin_that_waits(folder: Path) -> Path:
    """A plugin that never shakes hands. It writes its pid, and those of its child, to a file."""
    plugin = folder / "waits"
    plugin.mkdir(parents=True)
    description = {
        "id": "waits",
        "name": "Waits",
        "type": "datasource",
        "backend": True,
        "executable": "waits",
    }
    (plugin / "plugin.json").write_text(json.dumps(description))
    script = plugin / "waits"
    script.write_text(WAITS.format(plugin=plugin))
    script.chmod(0o755)
    return plugin / "pids"


def pids_in(file: Path) -> list[int]:
    eventually(file.exists, timeout=START_SECONDS, what="the plugin is started")
    return [int(pid) for pid in file.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_answers_and_stops_when_asked(tmp_path, number):
    with serving(tmp_path) as server:
        assert get(server, "/api/health").json()["database"] == "ok"
        assert server.stop(number) == 0
        assert server.out.read_text().splitlines() == [
            f"Graftage is ready at {server.out.read_text().split()[-1]}"
        ]
        assert "Traceback" not in server.err.read_text()


def test_what_was_answered_survives_kill_9(tmp_path):
    with serving(tmp_path) as server:
        added = add(server, secureJsonData={"token": "t"})
        server.process.kill()
        assert added.status_code == 200
    with serving(tmp_path) as server:
        assert get(server, "/api/datasources/uid/kept").json() == added.json()["datasource"]


def test_a_port_in_use_is_told_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        complaint = refused(tmp_path, "--address", address)
    assert f"cannot listen on {address}: Address already in use" in complaint


def test_two_servers_do_not_share_a_data_folder(tmp_path):
    with serving(tmp_path / "first") as server:
        get(server, "/api/health")
        complaint = refused(tmp_path / "second", "--data", str(tmp_path / "first" / "data"))
        assert f"is in use by another server (process {server.process.pid})" in complaint


def test_a_request_that_never_ends_does_not_keep_it(tmp_path):
    with serving(tmp_path) as server, open_request(server):
        began = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began > 2


def test_a_second_signal_ends_it_at_once(tmp_path):
    with serving(tmp_path) as server, open_request(server):
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "SIGTERM received" in server.err.read_text(), what="the first signal is seen")
        assert server.stop(signal.SIGTERM) == 128 + signal.SIGTERM


@contextmanager
def open_request(server: Server) -> Iterator[None]:
    """A request whose body does not come."""
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port or 0)) as connection:
        connection.sendall(
            b"POST /api/datasources HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # its handler waits for the body now
        yield


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_of_a_plugin_is_left(tmp_path, number):
    file = plugin_that_waits(tmp_path / "plugins")
    with serving(tmp_path, "--plugins", str(tmp_path / "plugins")) as server:
        pids = pids_in(file)
        assert len(pids) == 2
        assert all(map(is_alive, pids))
        server.stop(number)
        eventually(lambda: not any(map(is_alive, pids)), timeout=STOP_SECONDS, what="no process is left")


def test_logs_can_be_json_and_tell_of_a_plugin_that_does_not_start(tmp_path):
    (tmp_path / "plugins" / "gone").mkdir(parents=True)
    description = {"id": "gone", "name": "Gone", "type": "datasource", "backend": True, "executable": "gone"}
    (tmp_path / "plugins" / "gone" / "plugin.json").write_text(json.dumps(description))
    with serving(tmp_path, "--plugins", str(tmp_path / "plugins"), "--log-format", "json") as server:
        eventually(lambda: "gone" in server.err.read_text(), timeout=START_SECONDS, what="a line is logged")
        assert server.url
        server.stop(signal.SIGTERM)
        lines = [json.loads(line) for line in server.err.read_text().splitlines()]
    assert any(line["level"] == "error" and line["plugin_id"] == "gone" for line in lines)


def test_the_state_of_plugins_is_in_the_api_and_on_the_command_line(tmp_path):
    pids = plugin_that_waits(tmp_path / "plugins")
    (tmp_path / "plugins" / "broken").mkdir()
    (tmp_path / "plugins" / "broken" / "plugin.json").write_text('{"id": "broken", "type": "gadget"}')
    with serving(tmp_path, "--plugins", str(tmp_path / "plugins")) as server:
        started = pids_in(pids)[0]
        answer = get(server, "/api/graftage/plugins").json()
        assert [(plugin["id"], plugin["state"]) for plugin in answer["plugins"]] == [("waits", "starting")]
        assert [problem["pluginId"] for problem in answer["problems"]] == ["broken"]
        shown = subprocess.run(
            [sys.executable, "-m", "graftage", "plugins", "--url", server.url], capture_output=True, text=True
        )
        assert is_alive(started)
    assert shown.returncode == 1
    assert "waits" in shown.stdout
    assert "starting" in shown.stdout
    assert "broken/plugin.json: type: " in shown.stdout
