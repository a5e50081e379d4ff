"""From exec to the handshake line of the smallest plugin, against a script that only imports grpcio."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.number import Number
from graftage.protocol.environment import plugin_environment

ROUNDS = 21

SMALLEST = """\
from graftage import DataSource, serve

class Smallest(DataSource):
    def query(self, query):
        return None

serve(Smallest)
"""
BARE = """\
import grpc

print("a line", flush=True)
"""


def startup() -> Number:
    """Both scripts in turn, so that a noisy moment meets both; the ratio of their medians."""
    with tempfile.TemporaryDirectory() as folder:
        plugin, bare = Path(folder, "plugin.py"), Path(folder, "bare.py")
        plugin.write_text(SMALLEST, encoding="utf-8")
        bare.write_text(BARE, encoding="utf-8")
        environment = plugin_environment(os.environ, {}, versions=[1, 2], socket_dir=folder)
        for script in (plugin, bare):  # byte code and file cache
            _seconds_to_first_line(script, environment)
        pairs = [
            (_seconds_to_first_line(plugin, environment), _seconds_to_first_line(bare, environment))
            for _ in range(ROUNDS)
        ]
    ours, theirs = (median(column) for column in zip(*pairs, strict=True))
    return Number(
        "start-up: exec to handshake, smallest plugin / script that imports grpcio",
        ours / theirs,
        "times",
        1.6,
        note=f"{ours * 1000:.0f} / {theirs * 1000:.0f} ms",
    )


def _seconds_to_first_line(script: Path, environment: dict[str, str]) -> float:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, script],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        taken = time.perf_counter() - started
        process.kill()
    if not line.endswith(b"\n"):
        raise RuntimeError(f"{script.name} ended without a line; run it by hand to see why")
    return taken
