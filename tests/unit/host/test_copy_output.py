"""What a plugin prints over gRPC reaches the host at the host's pace, with what the log has to know of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.host.allowance import Allowance
from graftage.host.connection import copy_output
from graftage.protocol import rpc
from graftage.protocol.messages import Output, encode_output
from support.wait import eventually_async

LOGGER = logging.getLogger("host.clock")
ANY_PACE = 1e12
MESSAGE = 1024  # bytes that the flood sends at once
COST = MESSAGE + 16 * 1024  # of a message, for the pace

Prints = Callable[[grpc.aio.ServicerContext[bytes, bytes]], AsyncIterator[bytes]]


@asynccontextmanager
async def plugin(prints: Prints | None) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that prints, or has no such service."""
    server = grpc.aio.server()
    if prints is not None:

        async def stream(_request: bytes, context: Any) -> AsyncIterator[bytes]:
            async for message in prints(context):
                yield message

        methods = {"StreamStdio": grpc.unary_stream_rpc_method_handler(stream)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(rpc.STDIO, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            yield channel
        finally:
            await server.stop(None)


async def flood(_context: Any) -> AsyncIterator[bytes]:
    while True:
        yield encode_output(Output.STDOUT, b"x" * MESSAGE)


async def test_a_flood_is_read_no_faster_than_the_pace() -> None:
    times: list[float] = []
    pace = Allowance(per_second=10 * COST, burst=5 * COST)  # five messages at once, then ten a second

    async with plugin(flood) as channel:
        feed = {Output.STDOUT: lambda data, is_logged: times.append(time.monotonic())}
        copying = asyncio.ensure_future(copy_output(channel, feed, pace, LOGGER))
        await eventually_async(lambda: len(times) >= 13, what="thirteen messages")
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)

    # The sixth message is borrowed; the others each wait for a tenth of a second.
    assert times[12] - times[0] > 0.6


async def test_the_log_has_what_a_plugin_of_ours_prints_to_stdout_and_nothing_else() -> None:
    async def prints(context: Any) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(((rpc.OUTPUT_IS_LOGGED, "true"),))
        yield encode_output(Output.STDOUT, b"a")
        yield encode_output(Output.STDERR, b"b")

    assert await taken(prints) == [(1, b"a", True), (2, b"b", False)]


async def test_an_unknown_channel_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async def prints(_context: Any) -> AsyncIterator[bytes]:
        for channel in (Output.INVALID, Output.STDOUT, Output.INVALID):
            yield encode_output(channel, b"a")

    assert await taken(prints) == [(1, b"a", False)]
    assert caplog.messages == ["the plugin prints to channel 0, which is unknown; it is left out"]


async def test_a_plugin_without_the_service_is_no_reason_for_a_line(caplog: pytest.LogCaptureFixture) -> None:
    assert await taken(None) == []
    assert not caplog.messages


async def taken(prints: Prints | None) -> list[tuple[int, bytes, bool]]:
    """What the host takes until the plugin ends the stream: channel, bytes, is it logged already?"""
    found: list[tuple[int, bytes, bool]] = []
    feed = {
        number: lambda data, is_logged, number=int(number): found.append((number, data, is_logged))
        for number in (Output.STDOUT, Output.STDERR)
    }
    async with plugin(prints) as channel:
        await copy_output(channel, feed, Allowance(ANY_PACE, ANY_PACE), LOGGER)
    return found


async def test_the_log_keeps_the_beginning_of_a_long_reason_only(caplog: pytest.LogCaptureFixture) -> None:
    async def prints(context: Any) -> AsyncIterator[bytes]:
        yield encode_output(Output.STDOUT, b"a")
        await context.abort(grpc.StatusCode.INTERNAL, "x" * 6000)  # of 8 KiB that a channel takes by default

    await taken(prints)
    (record,) = caplog.records
    assert "cut here, of 6,000 characters" in record.getMessage()
    assert len(record.getMessage()) < 3000
