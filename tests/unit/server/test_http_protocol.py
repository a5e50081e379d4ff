from __future__ import annotations

import asyncio

from starlette.responses import Response

from graftage.server.http_protocol import HEAD_LIMIT, HttpProtocol
from support.serving import serving


async def exchange(*parts: bytes) -> bytes:
    """What a server says to these bytes, until it closes the connection."""
    async with serving(Response("fine"), http=HttpProtocol) as address, asyncio.timeout(10):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for part in parts:
            writer.write(part)
            await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer


async def test_a_head_without_end_is_refused() -> None:
    answer = await exchange(b"GET / HTTP/1.1\r\nX: ", b"a" * (HEAD_LIMIT + 1))
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_long_bodies_and_many_requests_of_one_connection_are_no_long_head() -> None:
    post = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % HEAD_LIMIT + b"a" * HEAD_LIMIT
    answer = await exchange(post, post, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 3
