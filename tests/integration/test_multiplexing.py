"""One connection that carries all others, between real processes of ours and of Go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from graftage.host.launch import StartFailed
from graftage.host.link import open_link
from graftage.protocol.handshake import MultiplexingUnsupported, parse_handshake
from graftage.protocol.rpc import HEALTH_CHECK
from support.go import build
from support.nasty import plain_plugin, script
from support.plugin_process import started
from support.wait import eventually_async

pytestmark = pytest.mark.timeout(300)  # the first run builds the Go programs

PLUGIN = """
from graftage import DataSource, serve

class Empty(DataSource):
    async def query(self, query):
        pass

serve(Empty)
"""
IMPATIENT_PLUGIN = "from graftage.sdk import front\nfront.CONNECT_SECONDS = 0.2\n" + PLUGIN
ASKING = {"PLUGIN_MULTIPLEX_GRPC": "true"}


def sockets(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_socket()]


async def test_a_plugin_stops_when_its_one_connection_ends(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path, environment=ASKING) as plugin:
        assert (await plugin.handshake())[5:] == ["", "true"]
        handshake = parse_handshake(plugin.out[0], offered=[1, 2], multiplex=True)
        async with open_link(handshake, receive_bytes=-1, multiplex=True) as link:
            assert await link.channel.unary_unary(HEALTH_CHECK)(b"", timeout=5) == b"\x08\x01"
            # Nobody else gets in.
            reader, writer = await asyncio.open_unix_connection(handshake.address)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            assert await link.channel.unary_unary(HEALTH_CHECK)(b"", timeout=5) == b"\x08\x01"
        assert await plugin.exit_status() == 0
        assert sockets(tmp_path) == []


async def test_a_plugin_that_no_host_connects_to_gives_up(tmp_path: Path) -> None:
    async with started(IMPATIENT_PLUGIN, tmp_path, environment=ASKING) as plugin:
        await plugin.handshake()
        assert await plugin.exit_status() == 0
        assert sockets(tmp_path) == []


@pytest.mark.parametrize("options", [{}, {"auto_mtls": True}], ids=["plain", "tls"])
async def test_a_go_plugin_is_spoken_to_over_one_connection(start: Any, options: dict[str, Any]) -> None:
    async with start(build("current") / "plugin", multiplex=True, **options) as running:
        await running.client.ping()
        os.kill(running.pid, signal.SIGKILL)
        status = await asyncio.wait_for(running.wait_exit(), 10)
        assert status.signal == signal.SIGKILL


async def test_plugins_that_do_not_support_it_are_refused(start: Any, tmp_path: Path) -> None:
    for executable in (build("old") / "plugin", build("grafana6") / "plugin", plain_plugin(tmp_path)):
        with pytest.raises(StartFailed, match="asked for multiplexing, which the plugin does not") as failed:
            async with start(executable, multiplex=True):
                pass
        assert isinstance(failed.value.__cause__, MultiplexingUnsupported)


async def test_a_plugin_that_promises_it_and_speaks_something_else_is_refused(
    start: Any, tmp_path: Path
) -> None:
    body = f"""
listener = socket.socket(socket.AF_UNIX)
listener.bind("{tmp_path}/socket")
listener.listen()
print("1|1|unix|{tmp_path}/socket|grpc||true", flush=True)
connection, _ = listener.accept()
connection.sendall(b"SSH-2.0-something\\r\\n" * 100)
time.sleep(60)
"""
    with pytest.raises(StartFailed, match="expected yamux version 0, got 83"):
        async with start(script(tmp_path, body), multiplex=True):
            pass


async def test_a_plugin_that_closes_the_connection_but_lives_is_ended(start: Any, tmp_path: Path) -> None:
    """It would never take another connection."""
    plugin = tmp_path / "plugin"
    plugin.write_text(CLOSING)
    plugin.chmod(0o755)
    async with start(plugin, multiplex=True) as running:
        os.kill(running.pid, signal.SIGUSR1)
        status = await asyncio.wait_for(running.wait_exit(), 10)
        assert "the only connection to it has ended" in status.why
        await eventually_async(lambda: running.exited.is_set())


CLOSING = f"""#!{sys.executable}
import signal
import sys
from graftage.sdk import front, stopping
from graftage import DataSource, serve

opened = front.Front.open

def open_and_close_on_signal(self, broker, gone):
    opened(self, broker, lambda why: None)  # it goes on without a connection
    import asyncio
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._session.close)

front.Front.open = open_and_close_on_signal

class Empty(DataSource):
    async def query(self, query):
        pass

serve(Empty)
"""
