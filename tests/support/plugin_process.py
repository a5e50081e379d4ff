"""A plugin's program started by hand as a host would: environment, pipes, and a channel to its socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import grpc.aio

from graftage.protocol import rpc
from graftage.protocol.channel import CHANNEL_OPTIONS, target
from graftage.protocol.environment import plugin_environment
from graftage.protocol.pb import datasource_v1_pb2 as v1
from support.wait import eventually_async

CALL_SECONDS = 20.0


@dataclass
class PluginProcess:
    """A running program. out and err: the lines it wrote so far, without their ends."""

    process: subprocess.Popen[bytes]
    out: list[bytes] = field(default_factory=list)
    err: list[bytes] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            assert stream is not None
            reader = threading.Thread(target=_read, args=(stream, lines), daemon=True)
            reader.start()
            self.readers.append(reader)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def handshake(self) -> list[str]:
        """The fields of the first line on stdout; fails when the program ends without one."""
        await eventually_async(lambda: self.out or self.process.poll() is not None, what="a handshake")
        assert self.out, f"status {self.process.returncode} without a handshake: {self.err}"
        return self.out[0].decode().split("|")

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """A channel to the address in the handshake."""
        _, _, network, address, *_ = await self.handshake()
        async with grpc.aio.insecure_channel(target(network, address), options=CHANNEL_OPTIONS) as channel:
            yield channel

    async def exit_status(self, *, timeout: float = 10.0) -> int:
        """The status with which the program ends by itself, its output read to the end."""
        await eventually_async(lambda: self.process.poll() is not None, timeout=timeout, what="exit")
        await eventually_async(
            lambda: not any(reader.is_alive() for reader in self.readers), what="end of stdout and stderr"
        )
        return self.process.returncode

    def records(self) -> list[dict[str, Any]]:
        """The log records among the lines on stderr."""
        return [json.loads(line) for line in self.err if line.startswith(b"{")]

    def messages(self) -> list[str]:
        return [record["@message"] for record in self.records()]


def _read(stream: IO[bytes], lines: list[bytes]) -> None:
    lines.extend(line.rstrip(b"\n") for line in stream)
    stream.close()


@asynccontextmanager
async def started(
    script: str,
    folder: Path,
    *,
    environment: Mapping[str, str | None] | None = None,
    arguments: tuple[str, ...] = (),
    versions: tuple[int, ...] = (1,),
    cwd: Path | None = None,
) -> AsyncIterator[PluginProcess]:
    """Run this program text as `folder`/plugin.py, its socket in `folder` as well; gone when the block ends.

    environment: what differs from a host's; None takes a variable away. versions: of the protocol, as the
    host offers them. cwd: its working directory; ours unless given.
    """
    path = folder / "plugin.py"
    path.write_text(script)
    usual = plugin_environment(os.environ, {"TMPDIR": str(folder)}, versions=versions)
    settings = {name: value for name, value in (usual | dict(environment or {})).items() if value is not None}
    process = subprocess.Popen(  # noqa: ASYNC220 - starting takes a moment, and the pipes have threads
        [sys.executable, str(path), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=settings,
        cwd=cwd,
        start_new_session=True,
    )
    plugin = PluginProcess(process)
    try:
        yield plugin
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        for reader in plugin.readers:
            await asyncio.to_thread(reader.join, 5)


async def ask(
    channel: grpc.aio.Channel, models: Mapping[str, str], **data_source: Any
) -> dict[str, v1.QueryResult]:
    """Send the models by refId as one call; the results by refId."""
    request = v1.DatasourceRequest(
        timeRange=v1.TimeRange(fromRaw="now-1h", toRaw="now", fromEpochMs=1_000, toEpochMs=61_000),
        datasource=v1.DatasourceInfo(
            **{"id": 1, "orgId": 1, "name": "weather", "type": "acme"} | data_source
        ),
        queries=[
            v1.Query(refId=ref_id, modelJson=model, intervalMs=15_000, maxDataPoints=7)
            for ref_id, model in models.items()
        ],
    )
    call = channel.unary_unary(
        rpc.QUERY_V1,
        request_serializer=v1.DatasourceRequest.SerializeToString,
        response_deserializer=v1.DatasourceResponse.FromString,
    )
    response = await call(request, timeout=CALL_SECONDS)
    return {result.refId: result for result in response.results}


async def shut_down(channel: grpc.aio.Channel) -> None:
    """The host's `Shutdown`; the reply must arrive."""
    assert await channel.unary_unary(rpc.SHUTDOWN)(b"", timeout=CALL_SECONDS) == b""
