"""A SOCKS 5 proxy for tests: it connects to where it is told, and notes that."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class SocksServer:
    """login: user and password that are asked for; None for no questions. refusal: answered to each request
    to connect; 0 to connect."""

    login: tuple[str, str] | None = None
    refusal: int = 0
    port: int = 0
    connected: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(bytes((5, 2 if self.login else 0)))
        if self.login:
            await reader.readexactly(1)
            given = (await _short(reader), await _short(reader))
            writer.write(bytes((1, int(given != self.login))))
            if given != self.login:
                return
        await reader.readexactly(4)
        host, port = await _short(reader), int.from_bytes(await reader.readexactly(2), "big")
        self.connected.append(host)
        # An answer with a name for an address is as good as one with four numbers.
        writer.write(bytes((5, self.refusal, 0, 3, 4)) + b"here" + b"\0\0")
        if self.refusal:
            return
        other_reader, other_writer = await asyncio.open_connection(host, port)
        try:
            await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))
        finally:
            other_writer.close()


@asynccontextmanager
async def socks_server(server: SocksServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[SocksServer]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


async def _short(reader: asyncio.StreamReader) -> str:
    (size,) = await reader.readexactly(1)
    return (await reader.readexactly(size)).decode()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
