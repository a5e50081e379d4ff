"""Further connections between real processes, in both directions and all four ways: ours and Go's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graftage.protocol.broker import BrokerFailed
from support.go import build_brokers
from support.plugins import brokering
from support.plugins.brokering import call, echo

pytestmark = pytest.mark.timeout(300)  # the first run builds the Go programs

WAYS = pytest.mark.parametrize(
    "options",
    [{}, {"auto_mtls": True}, {"multiplex": True}, {"auto_mtls": True, "multiplex": True}],
    ids=["plain", "tls", "multiplexed", "tls multiplexed"],
)


def python_plugin(folder: Path) -> Path:
    """An executable that becomes `plugins/brokering.py`."""
    path = folder / "brokering"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {brokering.__file__}\n")
    path.chmod(0o755)
    return path


def go_plugin(_: Path) -> Path:
    return build_brokers() / "brokerplugin"


@pytest.mark.parametrize("plugin", [python_plugin, go_plugin])
@WAYS
async def test_under_our_host(
    start: Any,
    tmp_path: Path,
    short_path: Path,
    plugin: Callable[[Path], Path],
    options: dict[str, Any],
) -> None:
    # A plugin in Go may leave sockets of its broker behind; the host removes the folder it made for them.
    async with start(plugin(tmp_path), socket_dir=short_path, **options) as running:
        link = running.link
        await running.client.ping()
        offered = int(await call(link.channel, "interop.Broker/Offer"))
        async with link.broker.dial(offered) as channel:
            assert await call(channel, "interop.Echo/Say", "hello") == "the plugin heard: hello"
        for _ in range(2):
            own = link.broker.next_id()
            async with link.broker.accept(own, [echo("the host")]):
                answer = await call(link.channel, "interop.Broker/DialBack", str(own))
                assert answer == "the host heard: a question"
        assert len(await call(link.channel, "interop.Broker/Large", "100000000")) == 100_000_000


@WAYS
async def test_several_at_a_time(start: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    async with start(python_plugin(tmp_path), **options) as running:
        link = running.link

        async def round_trip(number: int) -> str:
            async with link.broker.accept(number, [echo(str(number))]):
                return await call(link.channel, "interop.Broker/DialBack", str(number))

        answers = await asyncio.gather(*map(round_trip, range(1, 9)))
        assert answers == [f"{number} heard: a question" for number in range(1, 9)]


@WAYS
async def test_when_the_plugin_is_gone_a_dial_fails(
    start: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    async with start(python_plugin(tmp_path), **options) as running:
        os.kill(running.pid, signal.SIGKILL)
        await asyncio.wait_for(running.wait_exit(), 10)
        with pytest.raises(BrokerFailed):
            async with running.link.broker.dial(1):
                pass


@pytest.mark.parametrize("flags", [[], ["-automtls"], ["-mux"], ["-automtls", "-mux"]], ids=" ".join)
def test_under_a_go_host(tmp_path: Path, flags: list[str]) -> None:
    done = subprocess.run(
        [build_brokers() / "brokerhost", *flags, python_plugin(tmp_path)],
        env={"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        said |= json.loads(line)
    assert said["dialled"] == "the plugin heard: hello"
    assert said["accepted"] == said["accepted again"] == "the host heard: a question"
    assert said["large"] == 50_000_000
    assert said["stopped"] < 2
    assert [path.name for path in tmp_path.iterdir()] == ["brokering"], "no socket is left"
