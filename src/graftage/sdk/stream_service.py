"""`pluginv2.Stream`: who may listen to a channel, what is sent into it, and what others may send.

Source: grafana/grafana-plugin-sdk-go, backend/stream.go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from graftage.backend import stream as sent
from graftage.backend.stream import StreamAnswer, StreamStatus
from graftage.errors import PluginFault
from graftage.protocol.v2.stream import decode_stream_request, encode_packet, encode_stream_answer
from graftage.sdk.call import Call
from graftage.sdk.calls import Send
from graftage.sdk.handing_on import comes_in_pieces, hand_on
from graftage.sdk.headers import Headers
from graftage.sdk.instances import Instance
from graftage.sdk.log import error_text
from graftage.sdk.marks import STREAM, marked
from graftage.sdk.packets import Packets
from graftage.sdk.paths import Paths
from graftage.sdk.runtime import Runtime
from graftage.sdk.stream import Handler, Stream
from graftage.sdk.stream_request import StreamRequest
from graftage.sdk.tracing import Metadata
from graftage.sdk.workers import Workers

SUBSCRIBE_ENDPOINT, RUN_ENDPOINT, PUBLISH_ENDPOINT = "subscribeStream", "runStream", "publishStream"
MOST_PLAIN_STREAMS = 400  # each takes a thread for as long as it runs

log = logging.getLogger(__name__)


class Channel(NamedTuple):
    """parameters: of its path, by name."""

    stream: Stream[Any]
    parameters: Mapping[str, str]


class StreamService:
    """Raises PluginFault when two streams have the same channels."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._workers = Workers(MOST_PLAIN_STREAMS)
        streams = list(marked(runtime.target, STREAM).values())
        _check_distinct(streams)
        self._streams: Paths[Stream[Any]] = Paths((stream.pattern, stream) for stream in streams)

    async def subscribe_stream(self, message: bytes, metadata: Metadata) -> bytes:
        """Who comes when the channel runs already is told the schema of its data: it is not sent again."""
        request = decode_stream_request(message)
        async with self._call(SUBSCRIBE_ENDPOINT, request, metadata) as call:
            channel = self._channel(request.path)
            if channel is None:
                return encode_stream_answer(StreamAnswer(StreamStatus.NOT_FOUND))
            async with call.instance() as instance:
                answer = StreamAnswer(StreamStatus.OK)
                if channel.stream.authorizer is not None:
                    answer = await _decision(call, instance, channel, channel.stream.authorizer, request)
                if answer == StreamAnswer(StreamStatus.OK):
                    answer = StreamAnswer(StreamStatus.OK, _schema(instance, request.path))
                return encode_stream_answer(answer)

    async def publish_stream(self, message: bytes, metadata: Metadata) -> bytes:
        request = decode_stream_request(message)
        async with self._call(PUBLISH_ENDPOINT, request, metadata) as call:
            channel = self._channel(request.path)
            if channel is None:
                return encode_stream_answer(StreamAnswer(StreamStatus.NOT_FOUND))
            if channel.stream.publisher is None:
                return encode_stream_answer(StreamAnswer(StreamStatus.PERMISSION_DENIED))
            async with call.instance() as instance:
                publisher = channel.stream.publisher
                decision = await _decision(call, instance, channel, publisher, request, true=request.data)
                return encode_stream_answer(decision)

    async def run_stream(self, message: bytes, metadata: Metadata, send: Send) -> None:
        request = decode_stream_request(message)
        async with self._call(RUN_ENDPOINT, request, metadata) as call:
            channel = self._channel(request.path)
            if channel is None:
                raise PluginFault(f"this plugin has no stream {request.path!r}")
            packets = Packets()

            async def take(yielded: object) -> None:
                await send(encode_packet(packets.packet(yielded)))

            async with call.instance() as instance:
                pieces = await _ask(call, instance, channel, channel.stream.run, request)
                if not comes_in_pieces(pieces):
                    raise PluginFault(
                        f"the stream {channel.stream.run.name} returned {type(pieces).__name__}; expected it "
                        "to yield its data"
                    )
                instance.kept[_place(request.path)] = packets
                try:
                    await hand_on(call, instance, pieces, take, workers=self._workers)
                finally:
                    if instance.kept.get(_place(request.path)) is packets:
                        del instance.kept[_place(request.path)]

    def _call(self, endpoint: str, request: sent.StreamRequest, metadata: Metadata) -> Any:
        return self._runtime.call(endpoint, request.context, metadata, headers=request.headers)

    def _channel(self, path: str) -> Channel | None:
        return next((Channel(*found) for found in self._streams.matching(path)), None)


async def _decision(
    call: Call,
    instance: Instance,
    channel: Channel,
    handler: Handler,
    request: sent.StreamRequest,
    *,
    true: bytes = b"",
) -> StreamAnswer:
    """What a handler says to a subscriber or publisher. PermissionError is a refusal.

    true: the data that go with a plain yes.
    """
    try:
        returned = await _ask(call, instance, channel, handler, request)
    except PermissionError as error:
        log.info("%s is refused: %s", request.path, error_text(error))
        return StreamAnswer(StreamStatus.PERMISSION_DENIED)
    match returned:
        case None | StreamStatus():
            return StreamAnswer(StreamStatus.OK if returned is None else returned)
        case True:
            return StreamAnswer(StreamStatus.OK, true)
        case False:
            return StreamAnswer(StreamStatus.PERMISSION_DENIED)
        case _:
            return StreamAnswer(StreamStatus.OK, Packets().packet(returned))


async def _ask(
    call: Call, instance: Instance, channel: Channel, handler: Handler, request: sent.StreamRequest
) -> Any:
    asked = StreamRequest(
        request.path, instance.settings, request.data, Headers(request.headers), call.context, call.cancelled
    )
    method = getattr(instance.source, handler.name)
    return await call.run(instance, handler.arguments.bound(method, channel.parameters, asked))


def _schema(instance: Instance, path: str) -> bytes:
    """That of the data which the channel's subscribers get; empty when there is none, or none yet."""
    packets: Packets | None = instance.kept.get(_place(path))
    return packets.schema if packets else b""


def _place(path: str) -> tuple[str, str]:
    """Where an object keeps what is sent into a channel."""
    return (STREAM, path.strip("/"))


def _check_distinct(streams: Iterable[Stream[Any]]) -> None:
    known: dict[tuple[str, ...], Stream[Any]] = {}
    for stream in streams:
        other = known.setdefault(stream.pattern.shape, stream)
        if other is not stream:
            raise PluginFault(
                f"{other.run.name} and {stream.run.name} have the same channels, {stream.pattern.text!r}; "
                "keep one"
            )
