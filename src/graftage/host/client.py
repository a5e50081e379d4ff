"""What one running plugin can be asked, in whichever version of the protocol it speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import grpc.aio

from graftage.backend.admission import AdmissionRequest, Conversion, ConversionRequest, Verdict
from graftage.backend.context import PluginContext
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import Chunk, QueryRequest, Result
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.errors import NotImplementedByPlugin, PluginUnavailable, WireError
from graftage.host.calls import Calls, Metadata
from graftage.host.exit_status import ExitStatus
from graftage.protocol import messages, rpc
from graftage.protocol.v1 import request as v1_request
from graftage.protocol.v1 import response as v1_response
from graftage.protocol.v2 import admission, data, diagnostics, resource, stream

# Reading so many bytes of version 1 takes a few tenths of a millisecond; beyond that a thread is worth its
# cost.
_POINTS_READ_INLINE = 256 * 1024
# Of version 2, frames are only copied. But so many bytes may also be thousands of results without any.
_FRAMES_READ_INLINE = 32 * 1024

# By method: the largest message taken, in bytes. gRPC takes what `LaunchOptions.receive_bytes` says, which is
# for queries; of these, nobody has more to say, and reading it takes a multiple of its size. `server.live`
# drops packets of a stream long before this ends it.
LARGEST = {
    rpc.CALL_RESOURCE: 64 * 1024 * 1024,
    rpc.CHECK_HEALTH: 1024 * 1024,
    rpc.COLLECT_METRICS: 16 * 1024 * 1024,
    rpc.RUN_STREAM: 16 * 1024 * 1024,
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Queries:
    """How a version asks queries. read_inline: the largest answer that is read without a thread."""

    method: str
    encode: Callable[[QueryRequest], bytes]
    decode: Callable[[bytes], tuple[Result, ...]]
    read_inline: int


_QUERIES = {
    1: _Queries(rpc.QUERY_V1, v1_request.encode_request, v1_response.decode_response, _POINTS_READ_INLINE),
    2: _Queries(rpc.QUERY_DATA, data.encode_query_request, data.decode_query_response, _FRAMES_READ_INLINE),
}


class PluginClient:
    """Typed calls over one channel. Owns no process, retries nothing.

    exit_: how the plugin's process ended, once it has. version: the application protocol it speaks. why: that
    of `Calls`.

    All calls raise PluginUnavailable if the process is gone, PluginTimeout if it does not answer within
    `timeout` seconds, CallFailed if the call as a whole failed, WireError if the answer is none, and
    NotImplementedByPlugin if the plugin lacks the method; one of version 1 knows queries only. What is
    answered in pieces is an async generator: to close it, or to cancel who reads it, cancels the plugin's
    handler.
    """

    def __init__(
        self,
        plugin_id: str,
        channel: grpc.aio.Channel,
        exit_: asyncio.Future[ExitStatus],
        version: int,
        *,
        why: Callable[[str], str] = str,
    ) -> None:
        self._plugin_id = plugin_id
        self._version = version
        self._calls = Calls(plugin_id, channel, exit_, version, why=why)

    async def query(
        self, request: QueryRequest, *, timeout: float, metadata: Metadata = ()
    ) -> tuple[Result, ...]:
        """One result for each `ref_id` answered. A query that failed alone is a result."""
        queries = _QUERIES[self._version]
        message = queries.encode(request)
        answer = await self._calls.unary(queries.method, message, timeout=timeout, metadata=metadata)
        if len(answer) <= queries.read_inline:
            return self._read(queries.decode, answer)
        return await asyncio.to_thread(self._read, queries.decode, answer)

    def query_chunked(
        self, request: QueryRequest, *, timeout: float | None, metadata: Metadata = ()
    ) -> AsyncGenerator[Chunk, None]:
        message = data.encode_query_request(request)
        return self._ask_for_pieces(rpc.QUERY_CHUNKED_DATA, message, data.decode_chunk, timeout, metadata)

    async def check_health(
        self, request: HealthRequest, *, timeout: float, metadata: Metadata = ()
    ) -> HealthReport:
        message = diagnostics.encode_health_request(request)
        return await self._ask(rpc.CHECK_HEALTH, message, diagnostics.decode_health_report, timeout, metadata)

    async def collect_metrics(self, context: PluginContext, *, timeout: float) -> bytes:
        """Text in Prometheus' exposition format."""
        message = diagnostics.encode_metrics_request(context)
        return await self._ask(rpc.COLLECT_METRICS, message, diagnostics.decode_metrics, timeout)

    def call_resource(
        self, request: ResourceRequest, *, timeout: float | None, metadata: Metadata = ()
    ) -> AsyncGenerator[ResourcePart, None]:
        message = resource.encode_resource_request(request)
        return self._ask_for_pieces(
            rpc.CALL_RESOURCE, message, resource.decode_resource_part, timeout, metadata
        )

    async def subscribe_stream(
        self, request: StreamRequest, *, timeout: float, metadata: Metadata = ()
    ) -> StreamAnswer:
        message = stream.encode_stream_request(request)
        return await self._ask(rpc.SUBSCRIBE_STREAM, message, stream.decode_stream_answer, timeout, metadata)

    async def publish_stream(
        self, request: StreamRequest, *, timeout: float, metadata: Metadata = ()
    ) -> StreamAnswer:
        message = stream.encode_stream_request(request)
        return await self._ask(rpc.PUBLISH_STREAM, message, stream.decode_stream_answer, timeout, metadata)

    def run_stream(
        self, request: StreamRequest, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        """What the plugin sends into the channel, JSON each, for as long as it does."""
        message = stream.encode_stream_request(request)
        return self._ask_for_pieces(rpc.RUN_STREAM, message, stream.decode_packet, timeout, metadata)

    async def validate_admission(
        self, request: AdmissionRequest, *, timeout: float, metadata: Metadata = ()
    ) -> Verdict:
        message = admission.encode_admission_request(request)
        return await self._ask(rpc.VALIDATE_ADMISSION, message, admission.decode_verdict, timeout, metadata)

    async def mutate_admission(
        self, request: AdmissionRequest, *, timeout: float, metadata: Metadata = ()
    ) -> Verdict:
        message = admission.encode_admission_request(request)
        return await self._ask(rpc.MUTATE_ADMISSION, message, admission.decode_verdict, timeout, metadata)

    async def convert_objects(
        self, request: ConversionRequest, *, timeout: float, metadata: Metadata = ()
    ) -> Conversion:
        message = admission.encode_conversion_request(request)
        return await self._ask(rpc.CONVERT_OBJECTS, message, admission.decode_conversion, timeout, metadata)

    async def ping(self, timeout: float = 5.0) -> None:
        """Ask whether the plugin serves. Raises PluginUnavailable, too, if it says no."""
        message = messages.encode_health_check(rpc.HEALTH_NAME)
        if not messages.is_serving(await self._calls.unary(rpc.HEALTH_CHECK, message, timeout=timeout)):
            raise PluginUnavailable(
                f"plugin {self._plugin_id!r} says that it is not serving; see its log for why"
            )

    async def _ask(
        self,
        method: str,
        message: bytes,
        decode: Callable[[bytes], T],
        timeout: float,
        metadata: Metadata = (),
    ) -> T:
        self._check_version(method)
        answer = await self._calls.unary(method, message, timeout=timeout, metadata=metadata)
        self._check_size(method, answer)
        return self._read(decode, answer)

    async def _ask_for_pieces(
        self,
        method: str,
        message: bytes,
        decode: Callable[[bytes], T],
        timeout: float | None,
        metadata: Metadata,
    ) -> AsyncGenerator[T, None]:
        self._check_version(method)
        async with aclosing(
            self._calls.stream(method, message, timeout=timeout, metadata=metadata)
        ) as pieces:
            async for piece in pieces:
                self._check_size(method, piece)
                yield self._read(decode, piece)

    def _check_version(self, method: str) -> None:
        if self._version < 2:
            raise NotImplementedByPlugin(
                f"plugin {self._plugin_id!r} speaks version {self._version} of the protocol, which knows "
                f"queries only; {method.rpartition('/')[2]} came with version 2",
                version=self._version,
            )

    def _check_size(self, method: str, answer: bytes) -> None:
        largest = LARGEST.get(method)
        if largest is not None and len(answer) > largest:
            raise WireError(
                f"plugin {self._plugin_id!r} answered {method.rpartition('/')[2]} with a message of "
                f"{len(answer):,} bytes; expected at most {largest:,}"
            )

    def _read(self, decode: Callable[[bytes], T], answer: bytes) -> T:
        try:
            return decode(answer)
        except WireError as error:
            raise WireError(
                f"plugin {self._plugin_id!r} sent an answer that cannot be read: {error}"
            ) from error
