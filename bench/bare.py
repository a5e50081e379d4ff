"""What there is to compare with: a grpc.aio client that sends the plugin's process the same request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from graftage.protocol.channel import CHANNEL_OPTIONS, target

LISTENS = 0x10000  # __SO_ACCEPTCON of the kernel's sockets


class Bare:
    """Calls with one request over and over; every answer is read into protobuf's own message."""

    def __init__(
        self, channel: grpc.aio.Channel, method: str, read: Callable[[bytes], Any], request: bytes
    ) -> None:
        self._call = channel.unary_unary(method, None, read)
        self._request = request

    async def answer(self) -> Any:
        return await self._call(self._request)

    async def seconds(self, calls: int, *, at_once: int) -> float:
        """How long so many calls take, `at_once` at a time."""

        async def some(number: int) -> None:
            for _ in range(number):
                await self._call(self._request)

        started = time.perf_counter()
        await asyncio.gather(*(some(len(range(first, calls, at_once))) for first in range(at_once)))
        return time.perf_counter() - started

    async def latencies(self, calls: int) -> list[float]:
        taken = []
        for _ in range(calls):
            started = time.perf_counter()
            await self._call(self._request)
            taken.append(time.perf_counter() - started)
        return taken


@asynccontextmanager
async def bare(socket: str, method: str, read: Callable[[bytes], Any], request: bytes) -> AsyncIterator[Bare]:
    """read: makes a message of the bytes of an answer."""
    async with grpc.aio.insecure_channel(target("unix", socket), options=CHANNEL_OPTIONS) as channel:
        yield Bare(channel, method, read, request)


def listening_socket(pid: int) -> str:
    """The Unix socket that a process listens on."""
    links = {_link(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]:
        _, _, _, flags, _, _, inode, *path = line.split(maxsplit=7)
        if path and int(flags, 16) & LISTENS and f"socket:[{inode}]" in links:
            return path[0]
    raise RuntimeError(f"process {pid} listens on no Unix socket")


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # closed since it was listed
        return ""
