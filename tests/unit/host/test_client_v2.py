"""What a client asks of a plugin of version 2, and what it makes of a real gRPC server's answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.backend.admission import (
    AdmissionRequest,
    Conversion,
    ConversionRequest,
    Kind,
    RawObject,
    Verdict,
)
from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.health import HealthReport, HealthRequest, HealthStatus
from graftage.backend.query import Chunk, Query, QueryRequest, Result, TimeRange
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import CallFailed, NotImplementedByPlugin, PluginTimeout, PluginUnavailable, WireError
from graftage.host import client as client_module
from graftage.host.client import PluginClient
from graftage.host.exit_status import ExitStatus
from graftage.protocol import rpc
from graftage.protocol.v1.request import decode_request
from graftage.protocol.v1.response import encode_response
from graftage.protocol.v2 import admission, data, diagnostics, resource, stream
from graftage.protocol.v2.error_source import error_details
from support.responsive import shortest_pause

CONTEXT = context_of(DataSourceSettings(1, 2, "ds", "test-plugin"))
QUERIES = QueryRequest(TimeRange(0, 1), CONTEXT, (Query("A", time_range=None),))
STREAM = StreamRequest(CONTEXT, "ds/1/a")
ADMISSION = AdmissionRequest(CONTEXT, 1, Kind("g", "v", "k"), b"{}")
CONVERSION = ConversionRequest(CONTEXT, "u", (RawObject(b"{}"),), "g", "v2")

Context = grpc.aio.ServicerContext[bytes, bytes]


class Plugin(grpc.GenericRpcHandler):
    """Behaves for each method as it is told; what it is told nothing of, it does not implement.

    exit_: to be set when its process shall count as ended.
    """

    def __init__(self) -> None:
        self.unary: dict[str, Callable[[bytes, Context], Awaitable[bytes]]] = {}
        self.streams: dict[str, Callable[[bytes, Context], AsyncIterator[bytes]]] = {}
        self.exit_: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self.asked: list[bytes] = []
        self.was_asked = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((self,))

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        method = details.method
        if method in self.streams:
            return grpc.unary_stream_rpc_method_handler(self.streams[method])
        return grpc.unary_unary_rpc_method_handler(self.unary[method]) if method in self.unary else None

    def takes(self, message: bytes) -> None:
        self.asked.append(message)
        self.was_asked.set()

    def answers(self, method: str, answer: bytes) -> None:
        async def answer_it(message: bytes, _: Context) -> bytes:
            self.takes(message)
            return answer

        self.unary[method] = answer_it

    def sends(self, method: str, pieces: Sequence[bytes], *, then_hangs: bool = False) -> None:
        async def send(message: bytes, _: Context) -> AsyncIterator[bytes]:
            self.takes(message)
            try:
                for piece in pieces:
                    yield piece
                if then_hangs:
                    await asyncio.Event().wait()
            finally:  # gRPC may cancel its own sending of a piece, and then closes this generator
                self.cancelled.set()

        self.streams[method] = send

    def fails(self, status: grpc.StatusCode, text: str, trailing: Sequence[tuple[str, bytes]] = ()) -> None:
        """Fails every query."""

        async def fail(_: bytes, context: Context) -> bytes:
            await context.abort(status, text, trailing)

        self.unary[rpc.QUERY_DATA] = fail

    def hangs(self, method: str) -> None:
        async def hang(message: bytes, _: Context) -> bytes:
            self.takes(message)
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
            return b""

        self.unary[method] = hang


@asynccontextmanager
async def asking(plugin: Plugin, folder: Path, *, version: int = 2) -> AsyncIterator[PluginClient]:
    address = f"unix:{folder}/s"
    plugin.server.add_insecure_port(address)
    await plugin.server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield PluginClient("test-plugin", channel, plugin.exit_, version)
    finally:
        await plugin.server.stop(None)


@pytest.fixture
async def plugin() -> Plugin:
    return Plugin()


async def all_of(pieces: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in pieces]


async def test_queries_are_answered(plugin: Plugin, tmp_path: Path) -> None:
    answer = (Result("A", arrow=(b"ARROW1",), status=200),)
    plugin.answers(rpc.QUERY_DATA, data.encode_query_response(answer))
    async with asking(plugin, tmp_path) as client:
        assert await client.query(QUERIES, timeout=5) == answer
    assert data.decode_query_request(plugin.asked[0]) == QUERIES


async def test_a_plugin_of_version_1_is_asked_queries_in_the_same_way(plugin: Plugin, tmp_path: Path) -> None:
    plugin.answers(rpc.QUERY_V1, encode_response([Result("A", error="no")]))
    async with asking(plugin, tmp_path, version=1) as client:
        assert await client.query(QUERIES, timeout=5) == (Result("A", error="no"),)
    assert decode_request(plugin.asked[0]).queries == (Query("A"),)


UNARY: dict[str, tuple[Callable[[PluginClient], Awaitable[Any]], bytes, Any]] = {
    rpc.CHECK_HEALTH: (
        lambda client: client.check_health(HealthRequest(CONTEXT), timeout=5),
        diagnostics.encode_health_report(HealthReport(1, "fine", b"{}")),
        HealthReport(HealthStatus.OK, "fine", b"{}"),
    ),
    rpc.COLLECT_METRICS: (
        lambda client: client.collect_metrics(CONTEXT, timeout=5),
        diagnostics.encode_metrics(b"a 1\n"),
        b"a 1\n",
    ),
    rpc.SUBSCRIBE_STREAM: (
        lambda client: client.subscribe_stream(STREAM, timeout=5),
        stream.encode_stream_answer(StreamAnswer(1, b"{}")),
        StreamAnswer(1, b"{}"),
    ),
    rpc.PUBLISH_STREAM: (
        lambda client: client.publish_stream(STREAM, timeout=5),
        stream.encode_stream_answer(StreamAnswer(2)),
        StreamAnswer(2),
    ),
    rpc.VALIDATE_ADMISSION: (
        lambda client: client.validate_admission(ADMISSION, timeout=5),
        admission.encode_verdict(Verdict(allowed=True)),
        Verdict(allowed=True),
    ),
    rpc.MUTATE_ADMISSION: (
        lambda client: client.mutate_admission(ADMISSION, timeout=5),
        admission.encode_verdict(Verdict(allowed=True, object_json=b"{}")),
        Verdict(allowed=True, object_json=b"{}"),
    ),
    rpc.CONVERT_OBJECTS: (
        lambda client: client.convert_objects(CONVERSION, timeout=5),
        admission.encode_conversion(Conversion("u", (RawObject(b"[]"),))),
        Conversion("u", (RawObject(b"[]"),)),
    ),
}

STREAMS: dict[str, tuple[Callable[[PluginClient], AsyncIterator[Any]], list[bytes], list[Any]]] = {
    rpc.QUERY_CHUNKED_DATA: (
        lambda client: client.query_chunked(QUERIES, timeout=5),
        [data.encode_chunk(Chunk("A", "f0", b"ARROW1")), data.encode_chunk(Chunk("B", error="no"))],
        [Chunk("A", "f0", b"ARROW1"), Chunk("B", error="no")],
    ),
    rpc.CALL_RESOURCE: (
        lambda client: client.call_resource(ResourceRequest(CONTEXT, "a/b", body=b"x"), timeout=5),
        [
            resource.encode_resource_part(ResourcePart(200, {"X-A": ("1", "2")}, b"a")),
            resource.encode_resource_part(ResourcePart(body=b"b")),
        ],
        [ResourcePart(200, {"X-A": ("1", "2")}, b"a"), ResourcePart(body=b"b")],
    ),
    rpc.RUN_STREAM: (
        lambda client: client.run_stream(STREAM),
        [stream.encode_packet(b"1"), stream.encode_packet(b"2")],
        [b"1", b"2"],
    ),
}

ALL: dict[str, Callable[[PluginClient], Awaitable[Any]]] = {
    rpc.QUERY_DATA: lambda client: client.query(QUERIES, timeout=5),
    **{method: ask for method, (ask, *_) in UNARY.items()},
    **{method: lambda client, ask=ask: all_of(ask(client)) for method, (ask, *_) in STREAMS.items()},  # type: ignore[misc] # a lambda's default has no type
}


@pytest.mark.parametrize("method", UNARY)
async def test_each_method_is_asked_and_its_answer_read(method: str, plugin: Plugin, tmp_path: Path) -> None:
    ask, answer, expected = UNARY[method]
    plugin.answers(method, answer)
    async with asking(plugin, tmp_path) as client:
        assert await ask(client) == expected


@pytest.mark.parametrize("method", STREAMS)
async def test_each_stream_is_opened_and_its_pieces_are_read(
    method: str, plugin: Plugin, tmp_path: Path
) -> None:
    ask, pieces, expected = STREAMS[method]
    plugin.sends(method, pieces)
    async with asking(plugin, tmp_path) as client:
        assert await all_of(ask(client)) == expected


REQUESTS: dict[str, tuple[Callable[[bytes], Any], Any]] = {
    rpc.CHECK_HEALTH: (diagnostics.decode_health_request, HealthRequest(CONTEXT)),
    rpc.COLLECT_METRICS: (diagnostics.decode_metrics_request, CONTEXT),
    rpc.SUBSCRIBE_STREAM: (stream.decode_stream_request, STREAM),
    rpc.PUBLISH_STREAM: (stream.decode_stream_request, STREAM),
    rpc.VALIDATE_ADMISSION: (admission.decode_admission_request, ADMISSION),
    rpc.MUTATE_ADMISSION: (admission.decode_admission_request, ADMISSION),
    rpc.CONVERT_OBJECTS: (admission.decode_conversion_request, CONVERSION),
    rpc.QUERY_CHUNKED_DATA: (data.decode_query_request, QUERIES),
    rpc.CALL_RESOURCE: (
        resource.decode_resource_request,
        ResourceRequest(CONTEXT, "a/b", body=b"x"),
    ),
    rpc.RUN_STREAM: (stream.decode_stream_request, STREAM),
}


@pytest.mark.parametrize("method", REQUESTS)
async def test_a_plugin_gets_what_was_asked(method: str, plugin: Plugin, tmp_path: Path) -> None:
    decode, expected = REQUESTS[method]
    plugin.answers(method, b"")
    if method in STREAMS:
        plugin.sends(method, [])
    async with asking(plugin, tmp_path) as client:
        await ALL[method](client)
    assert decode(plugin.asked[0]) == expected


@pytest.mark.parametrize("method", ALL)
async def test_a_plugin_without_the_method_does_not_implement_it(
    method: str, plugin: Plugin, tmp_path: Path
) -> None:
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(NotImplementedByPlugin, match=f"does not implement {method.rpartition('/')[2]}"):
            await ALL[method](client)


@pytest.mark.parametrize("method", [method for method in ALL if method != rpc.QUERY_DATA])
async def test_a_plugin_of_version_1_implements_nothing_but_queries(
    method: str, plugin: Plugin, tmp_path: Path
) -> None:
    plugin.answers(method, b"")
    async with asking(plugin, tmp_path, version=1) as client:
        with pytest.raises(NotImplementedByPlugin, match=r"version 1 .* queries only"):
            await ALL[method](client)
    assert plugin.asked == []


@pytest.mark.parametrize("method", ALL)
async def test_an_answer_that_is_none_is_the_plugin_s_fault(
    method: str, plugin: Plugin, tmp_path: Path
) -> None:
    plugin.answers(method, b"\xff\xff")
    if method in STREAMS:
        plugin.sends(method, [b"\xff\xff"])
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(WireError, match="'test-plugin' sent an answer that cannot be read: "):
            await ALL[method](client)


@pytest.mark.parametrize(
    ("status", "text", "source"),
    [
        (grpc.StatusCode.UNKNOWN, "the handler failed", ""),
        (grpc.StatusCode.UNKNOWN, "no such host", "downstream"),
        (grpc.StatusCode.UNKNOWN, "a bug", "plugin"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", ""),
        (grpc.StatusCode.UNAVAILABLE, "the database is down", ""),
        (grpc.StatusCode.CANCELLED, "gave up", ""),
    ],
)
async def test_a_failed_call_tells_status_text_and_source(
    status: grpc.StatusCode, text: str, source: str, plugin: Plugin, tmp_path: Path
) -> None:
    plugin.fails(status, text, error_details(source, text))
    plugin.answers(rpc.HEALTH_CHECK, b"\x08\x01")
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(CallFailed) as failure:
            await client.query(QUERIES, timeout=5)
    assert (failure.value.status, failure.value.details, failure.value.error_source) == (
        status.name,
        text,
        source,
    )


async def test_a_call_that_was_cancelled_without_a_word_is_told_in_words(
    plugin: Plugin, tmp_path: Path
) -> None:
    plugin.fails(grpc.StatusCode.CANCELLED, "")
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(
            CallFailed, match="'test-plugin' cancelled the call without saying why"
        ) as failure:
            await client.query(QUERIES, timeout=5)
    assert failure.value.status == "CANCELLED"


MEBIBYTE = 2**20


@pytest.mark.parametrize(
    ("method", "largest"),
    [
        (rpc.CALL_RESOURCE, 64 * MEBIBYTE),
        (rpc.CHECK_HEALTH, MEBIBYTE),
        (rpc.COLLECT_METRICS, 16 * MEBIBYTE),
        (rpc.RUN_STREAM, 16 * MEBIBYTE),
    ],
)
async def test_a_larger_answer_than_a_method_has_is_not_read(
    method: str, largest: int, plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client_module.LARGEST[method] == largest
    monkeypatch.setitem(client_module.LARGEST, method, 1000)  # what is really large takes long to send
    too_large = b"\xff" * 1001  # and is no message
    plugin.answers(method, too_large)
    if method in STREAMS:
        plugin.sends(method, [too_large])
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(
            WireError, match=rf"'test-plugin' answered {method.rpartition('/')[2]} .* 1,001 bytes; .* 1,000"
        ):
            await ALL[method](client)


async def test_a_stream_that_fails_gives_what_came_before(plugin: Plugin, tmp_path: Path) -> None:
    async def send(_: bytes, context: Context) -> AsyncIterator[bytes]:
        yield stream.encode_packet(b"1")
        await context.abort(grpc.StatusCode.CANCELLED, "gave up", error_details("plugin", "gave up"))

    plugin.streams[rpc.RUN_STREAM] = send
    async with asking(plugin, tmp_path) as client:
        packets = client.run_stream(STREAM)
        assert await anext(packets) == b"1"
        with pytest.raises(CallFailed, match="gave up") as failure:
            await anext(packets)
    assert (failure.value.status, failure.value.error_source) == ("CANCELLED", "plugin")


async def test_who_cancels_a_call_cancels_the_handler(plugin: Plugin, tmp_path: Path) -> None:
    plugin.hangs(rpc.CHECK_HEALTH)
    async with asking(plugin, tmp_path) as client:
        call = asyncio.ensure_future(client.check_health(HealthRequest(CONTEXT), timeout=60))
        await plugin.was_asked.wait()
        call.cancel()
        async with asyncio.timeout(5):
            await plugin.cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize("method", STREAMS)
async def test_who_closes_a_stream_cancels_the_handler(method: str, plugin: Plugin, tmp_path: Path) -> None:
    ask, pieces, expected = STREAMS[method]
    plugin.sends(method, pieces, then_hangs=True)
    async with asking(plugin, tmp_path) as client:
        async with aclosing(ask(client)) as opened:  # type: ignore[type-var] # an async generator
            assert await anext(opened) == expected[0]
        async with asyncio.timeout(5):
            await plugin.cancelled.wait()


async def test_who_is_cancelled_while_reading_a_stream_cancels_the_handler(
    plugin: Plugin, tmp_path: Path
) -> None:
    plugin.sends(rpc.RUN_STREAM, [stream.encode_packet(b"1")], then_hangs=True)
    got = asyncio.Event()

    async def read(client: PluginClient) -> None:
        async for _ in client.run_stream(STREAM):
            got.set()

    async with asking(plugin, tmp_path) as client:
        reading = asyncio.ensure_future(read(client))
        async with asyncio.timeout(5):
            await got.wait()
            reading.cancel()
            await plugin.cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_silent_plugin_is_waited_for_no_longer_than_asked(plugin: Plugin, tmp_path: Path) -> None:
    plugin.hangs(rpc.CHECK_HEALTH)
    plugin.sends(rpc.CALL_RESOURCE, [], then_hangs=True)
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(PluginTimeout, match=r"within 0\.05 s"):
            await client.check_health(HealthRequest(CONTEXT), timeout=0.05)
        with pytest.raises(PluginTimeout, match=r"within 0\.05 s"):
            await all_of(client.call_resource(ResourceRequest(CONTEXT, ""), timeout=0.05))


async def test_a_stream_ends_with_the_process(plugin: Plugin, tmp_path: Path) -> None:
    plugin.sends(rpc.RUN_STREAM, [stream.encode_packet(b"1")], then_hangs=True)
    async with asking(plugin, tmp_path) as client:
        packets = client.run_stream(STREAM)
        assert await anext(packets) == b"1"
        plugin.exit_.set_result(ExitStatus(code=3))
        await plugin.server.stop(None)
        with pytest.raises(PluginUnavailable, match="'test-plugin' is not there: it exited with status 3"):
            await anext(packets)


async def test_a_stream_ends_when_the_channel_is_closed(plugin: Plugin, tmp_path: Path) -> None:
    plugin.sends(rpc.RUN_STREAM, [], then_hangs=True)
    async with asking(plugin, tmp_path) as client:
        reading = asyncio.ensure_future(all_of(client.run_stream(STREAM)))
        await plugin.was_asked.wait()
    with pytest.raises(PluginUnavailable, match="it is stopped"):
        await reading


@pytest.mark.parametrize("method", ALL)
async def test_nothing_is_sent_to_a_process_that_has_ended(
    method: str, plugin: Plugin, tmp_path: Path
) -> None:
    plugin.exit_.set_result(ExitStatus(code=3))
    async with asking(plugin, tmp_path) as client:
        with pytest.raises(PluginUnavailable, match="it exited with status 3"):
            await ALL[method](client)
    assert plugin.asked == []


async def test_a_call_carries_the_metadata_it_is_given(plugin: Plugin, tmp_path: Path) -> None:
    got: list[object] = []

    async def look(_: bytes, context: Context) -> bytes:
        got.append(dict(context.invocation_metadata() or ())["x-test"])
        return b""

    plugin.unary[rpc.QUERY_DATA] = look
    async with asking(plugin, tmp_path) as client:
        await client.query(QUERIES, timeout=5, metadata=(("x-test", "1"),))
    assert got == ["1"]


async def test_an_answer_of_many_results_holds_up_nobody_else(plugin: Plugin, tmp_path: Path) -> None:
    answer = data.encode_query_response(Result(str(number), arrow=()) for number in range(50_000))
    began = time.perf_counter()
    results = data.decode_query_response(answer)
    reading = time.perf_counter() - began
    plugin.answers(rpc.QUERY_DATA, answer)
    async with asking(plugin, tmp_path) as client:

        async def ask() -> None:
            assert await client.query(QUERIES, timeout=30) == results

        assert await shortest_pause(ask, below=reading / 2) < reading / 2
