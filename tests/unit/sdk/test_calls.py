"""How the end of a call becomes a gRPC status, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.errors import WireError
from graftage.protocol.v2.error_source import read_error_source
from graftage.sdk.calls import Calls, NotOffered, Send
from graftage.sdk.errors import DownstreamError
from support.wait import eventually_async

CALL_SECONDS = 5.0


@asynccontextmanager
async def served(calls: Calls, folder: Path, **methods: Any) -> AsyncIterator[grpc.aio.Channel]:
    handlers = {
        name: (calls.streaming if name == "Stream" else calls.unary)(method)
        for name, method in methods.items()
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("acme.Test", handlers),))
    server.add_insecure_port(f"unix:{folder}/socket")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{folder}/socket") as channel:
            yield channel
    finally:
        await server.stop(None)


def raising(error: BaseException) -> Callable[..., Awaitable[bytes]]:
    async def fail(message: bytes, metadata: Any, send: Send | None = None) -> bytes:
        raise error

    return fail


async def call(channel: grpc.aio.Channel, message: bytes = b"x") -> bytes:
    answer: bytes = await channel.unary_unary("/acme.Test/Call")(message, timeout=CALL_SECONDS)
    return answer


async def stream(channel: grpc.aio.Channel) -> list[bytes]:
    return [piece async for piece in channel.unary_stream("/acme.Test/Stream")(b"", timeout=CALL_SECONDS)]


@pytest.mark.parametrize(
    ("error", "status", "source"),
    [
        (WireError("no message"), grpc.StatusCode.INVALID_ARGUMENT, ""),
        (NotOffered("no handlers"), grpc.StatusCode.UNIMPLEMENTED, ""),
        (ValueError("a bug"), grpc.StatusCode.UNKNOWN, "plugin"),
        (TimeoutError("too slow"), grpc.StatusCode.UNKNOWN, "downstream"),
        (DownstreamError("closed"), grpc.StatusCode.UNKNOWN, "downstream"),
        (SystemExit("bye"), grpc.StatusCode.UNKNOWN, "plugin"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
@pytest.mark.parametrize("kind", ["Call", "Stream"])
async def test_a_call_that_fails_says_why_and_whose_fault_it_is(
    tmp_path: Path, kind: str, error: BaseException, status: grpc.StatusCode, source: str
) -> None:
    async with served(Calls(), tmp_path, **{kind: raising(error)}) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await (call(channel) if kind == "Call" else stream(channel))

    assert failed.value.code() is status
    assert str(error.args[0]) in (failed.value.details() or "")
    assert read_error_source(failed.value.trailing_metadata()) == source


async def test_pieces_may_be_sent_from_several_tasks_at_once(tmp_path: Path) -> None:
    async def count(message: bytes, metadata: Any, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(send(b"%d" % number))

    async with served(Calls(), tmp_path, Stream=count) as channel:
        assert sorted(map(int, await stream(channel))) == list(range(100))


async def test_a_method_sees_the_metadata_of_its_call(tmp_path: Path) -> None:
    async def echo(message: bytes, metadata: Any) -> bytes:
        return str(dict(metadata)["tenantid"]).encode()

    async with served(Calls(), tmp_path, Call=echo) as channel:
        answer = await channel.unary_unary("/acme.Test/Call")(
            b"", metadata=(("tenantid", "t1"),), timeout=CALL_SECONDS
        )

    assert answer == b"t1"


async def test_calls_that_run_when_the_plugin_stops_may_end_and_the_late_ones_are_told(
    tmp_path: Path,
) -> None:
    begun, end_first = [], asyncio.Event()

    async def wait(message: bytes, metadata: Any) -> bytes:
        begun.append(message)
        await (end_first.wait() if message == b"first" else asyncio.Event().wait())
        return message

    calls = Calls()
    async with served(calls, tmp_path, Call=wait) as channel:
        first, late = (asyncio.create_task(call(channel, message)) for message in (b"first", b"late"))
        await eventually_async(lambda: len(begun) == 2, what="both calls to begin")
        stopping = asyncio.create_task(calls.finish(0.2))
        end_first.set()
        await stopping

        assert await first == b"first"
        with pytest.raises(grpc.aio.AioRpcError, match="stopped before it had the answer") as failed:
            await late
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_what_would_never_end_is_not_waited_for_when_the_plugin_stops(tmp_path: Path) -> None:
    sent = asyncio.Event()

    async def tick(message: bytes, metadata: Any, send: Send) -> None:
        await send(b"tick")
        sent.set()
        await asyncio.Event().wait()

    calls = Calls()
    server = grpc.aio.server()
    handlers = {"Stream": calls.streaming(tick, endless=True)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("acme.Test", handlers),))
    server.add_insecure_port(f"unix:{tmp_path}/socket")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/socket") as channel:
        pieces = aiter(channel.unary_stream("/acme.Test/Stream")(b"", timeout=CALL_SECONDS))
        assert await anext(pieces) == b"tick"

        async with asyncio.timeout(CALL_SECONDS):
            await sent.wait()
            await calls.finish(10 * CALL_SECONDS)

        with pytest.raises(grpc.aio.AioRpcError, match="stopped before it had the answer"):
            await anext(pieces)
    await server.stop(None)
