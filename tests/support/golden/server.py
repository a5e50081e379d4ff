"""A real `graftage serve` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 60.0  # far more than a start takes, so that only a server that hangs is given up
STOP_SECONDS = 20.0
_LISTENING = re.compile(r"ready at http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started; it may have refused and be gone. address: None then."""

    process: subprocess.Popen[bytes]
    log_file: Path
    address: str | None

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="backslashreplace")

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()


@contextmanager
def serve(
    folder: Path, *, environment: Mapping[str, str], plugin_settings: Mapping[str, Any], query_seconds: float
) -> Iterator[Server]:
    """A server that keeps everything in `folder`. It listens, or is gone, when the block begins.

    plugin_settings: tables `[plugin.<id>]` of the settings file. query_seconds: how long a plugin may take.
    """
    config, log_file = folder / "graftage.toml", folder / "server.log"
    config.write_text("".join(_table(plugin_id, table) for plugin_id, table in plugin_settings.items()))
    own = {name: value for name, value in os.environ.items() if not name.startswith("GRAFTAGE_")}
    command = [Path(sys.executable).with_name("graftage"), "serve", "--config", config]
    command += ["--address", "127.0.0.1:0", "--data", folder, "--query-timeout", query_seconds]
    command += ["--log-level", "debug", "--log-format", "json"]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=own | dict(environment),
            start_new_session=True,
        )
    try:
        yield Server(process, log_file, _wait_for_address(process, log_file))
    finally:
        _stop(process)


def _wait_for_address(process: subprocess.Popen[bytes], log_file: Path) -> str | None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        gone = process.poll() is not None
        found = _LISTENING.search(log_file.read_text(encoding="utf-8", errors="replace"))
        if found:
            return f"127.0.0.1:{found[1]}"
        if gone:
            return None
        time.sleep(0.02)
    raise AssertionError(f"the server neither listens nor ends; its log: {log_file.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _table(plugin_id: str, table: Mapping[str, Any]) -> str:
    """A TOML table; texts of JSON are texts of TOML."""
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join([f"[plugin.{json.dumps(plugin_id)}]", *lines, ""])
