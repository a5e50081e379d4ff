"""A `graftage serve` of one's own: a process, a folder that goes away with it, a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 60.0  # on a machine that is busy with other things
STOP_SECONDS = 15.0  # longer than the server gives its plugins
POLL_SECONDS = 0.02
LOG_LINES = 20
READY = re.compile(r"^Graftage is ready at (http://\S+)$", re.MULTILINE)


class ServerFailed(Exception):
    """The server, or something that it was asked for, is not as it should be; the message says what."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. log: the file with what it printed."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    http: httpx.Client

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def log_tail(self) -> str:
        return _tail(self.log)

    def get(self, path: str) -> Any:
        return _json(self.http.get(path))

    def post(self, path: str, body: object) -> Any:
        return _json(self.http.post(path, json=body))

    def plugin(self, plugin_id: str) -> dict[str, Any]:
        """How the plugin is doing, once it is up. Raises ServerFailed, with its last words, if it is not."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            answer = self.get("/api/graftage/plugins")
            plugin = next((one for one in answer["plugins"] if one["id"] == plugin_id), None)
            if plugin is None:
                raise ServerFailed(f"the server does not know {plugin_id}: {answer['problems']}")
            if plugin["state"] == "running":
                return dict(plugin)
            if plugin["state"] == "failed" or time.monotonic() > deadline:
                tail = "\n".join(plugin["stderrTail"])
                raise ServerFailed(f"{plugin_id} is {plugin['state']}: {plugin['reason']}\n{tail}".rstrip())
            time.sleep(POLL_SECONDS)


@contextmanager
def running_server(plugins: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Serve the plugins in a folder. When the block ends, however it does, all of it is gone.

    environment: variables beside those of this process. Raises ServerFailed with the end of the log.
    """
    with tempfile.TemporaryDirectory(prefix="graftage-") as name:
        folder, log = Path(name), Path(name, "log")
        command = [sys.executable, "-m", "graftage", "serve", "--address", "127.0.0.1:0"]
        command += ["--plugins", str(plugins), "--data", str(folder / "data")]
        with log.open("wb") as output, _process(command, output.fileno(), environment or {}) as process:
            url = _url(process, log)
            # A proxy of the environment is for the world outside.
            with httpx.Client(base_url=url, timeout=START_SECONDS, trust_env=False) as http:
                yield Server(url, process, log, http)


@contextmanager
def _process(
    command: list[str], output: int, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that gets a SIGTERM when the block ends, and no longer than STOP_SECONDS to follow it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GRAFTAGE_")}
    process = subprocess.Popen(
        command,
        env=own | dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        process_group=0,  # Ctrl-C is for us; the server hears of it once, from us
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # or somebody cannot wait
            process.kill()
            process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server says that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        ready = READY.search(_read(log))
        if ready:
            return ready[1]
        status = process.poll()
        if status is not None or time.monotonic() > deadline:
            happened = "is not ready yet" if status is None else f"ended with {_described(status)}"
            raise ServerFailed(f"`graftage serve` {happened}; it printed:\n{_tail(log)}")
        time.sleep(POLL_SECONDS)


def _json(response: httpx.Response) -> Any:
    if response.status_code != httpx.codes.OK:
        asked = f"{response.request.method} {response.request.url.path}"
        raise ServerFailed(f"{asked} answered {response.status_code}: {response.text[:500]}")
    return response.json()


def _described(status: int) -> str:
    return f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _tail(log: Path) -> str:
    return "\n".join(_read(log).splitlines()[-LOG_LINES:])
