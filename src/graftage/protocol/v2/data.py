"""The messages of `pluginv2.Data`: queries, and their answers whole or in pieces.

Frames are not read here: they pass as the bytes that they came in. As they may be large, answers are written
and read field by field, which copies a frame once; protobuf's own messages copy it twice.

What is needed is loaded when the first message is read or written: a plugin prints its handshake before that,
and neither protobuf nor NumPy shall delay it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graftage.errors import WireError
from graftage.protocol.v2.context import context_of_message, context_to_message, texts
from graftage.protocol.v2.parsing import json_bytes, json_text, parse, text
from graftage.protocol.wire import (
    LENGTH,
    VARINT,
    read_fields,
    read_text,
    signed_32,
    write_message,
    write_number,
    write_text,
)

if TYPE_CHECKING:
    from graftage.backend.query import Chunk, Query, QueryRequest, Result, TimeRange
    from graftage.protocol.pb import backend_v2_pb2 as messages

ARROW = 0  # DataFrameFormat, as the numbers of `FrameFormat`
# In one answer, repeated ones included. Each is an object of hundreds of bytes, and as little as two on the
# wire: without a limit a small lie would take all of the host's memory, or minutes to be read.
MOST_RESULTS = 250_000


def encode_query_request(request: QueryRequest) -> bytes:
    """A `QueryDataRequest` or a `QueryChunkedDataRequest`: they are of one form.

    Plugins of Go fail without a context, or without a time range in each query, so none is left out.
    """
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = pb.QueryDataRequest(
        pluginContext=context_to_message(request.context),
        headers=texts(request.headers),
        queries=queries_to_messages(request.queries, request.time_range),
    )
    message.format = request.frame_format  # type: ignore[assignment] # a number of no name is allowed, and kept
    return message.SerializeToString()


def decode_query_request(data: bytes) -> QueryRequest:
    """The request in a `QueryDataRequest` or a `QueryChunkedDataRequest`. Raises WireError.

    Its time range is that of the first query; a query with another one has its own.
    """
    from graftage.backend.query import QueryRequest, TimeRange
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.QueryDataRequest, data)
    first = message.queries[0].timeRange if message.queries else pb.TimeRange()
    common = TimeRange(first.fromEpochMS, first.toEpochMS)
    return QueryRequest(
        common,
        context_of_message(message.pluginContext),
        queries_of_messages(message.queries, common),
        dict(message.headers),
        int(message.format),
    )


def encode_query_response(results: Iterable[Result], frame_format: int = ARROW) -> bytes:
    """A `QueryDataResponse`. Of two results with the same `ref_id` the later one counts.

    frame_format: what the results' frames are written in, which is what was asked for.
    """
    pieces: list[bytes] = []
    for result in results:
        entry = [write_text(1, result.ref_id), *write_message(2, _write_result(result, frame_format))]
        pieces += write_message(1, entry)
    return b"".join(pieces)


def decode_query_response(data: bytes) -> tuple[Result, ...]:
    """The results in a `QueryDataResponse`, by `ref_id`: its own order has no meaning.

    A result whose frames are in another format than Arrow becomes an error; the others stay. Raises WireError
    if the bytes are none, or of too many results.
    """
    by_ref_id: dict[str, Result] = {}
    count = 0
    for number, wire_type, start, end in read_fields(data, 0, len(data)):
        if number == 1 and wire_type == LENGTH:
            count += 1
            if count > MOST_RESULTS:
                raise WireError(f"more than {MOST_RESULTS:,} results in one answer")
            result = _read_entry(data, start, end)
            by_ref_id[result.ref_id] = result
    return tuple(by_ref_id[ref_id] for ref_id in sorted(by_ref_id))


def encode_chunk(chunk: Chunk, frame_format: int = ARROW) -> bytes:
    """A `QueryChunkedDataResponse`. frame_format: what its frame is written in."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = pb.QueryChunkedDataResponse(
        refId=text(chunk.ref_id),
        frameId=text(chunk.frame_id),
        frame=chunk.arrow,
        error=text(chunk.error),
        status=chunk.status,
        errorSource=text(chunk.error_source),
    )
    message.format = frame_format  # type: ignore[assignment] # a number of no name is allowed, and kept
    return message.SerializeToString()


def decode_chunk(data: bytes) -> Chunk:
    """The piece in a `QueryChunkedDataResponse`. Raises WireError.

    One whose frame is in another format than Arrow becomes an error.
    """
    from graftage.backend.query import Chunk
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.QueryChunkedDataResponse, data)
    if message.frame and message.format != ARROW:
        return Chunk(
            message.refId,
            message.frameId,
            None,
            message.error or _not_arrow(int(message.format)),
            message.status,
            message.errorSource,
        )
    return Chunk(
        message.refId,
        message.frameId,
        message.frame or None,
        message.error,
        message.status,
        message.errorSource,
    )


def queries_to_messages(queries: Iterable[Query], common: TimeRange) -> list[messages.DataQuery]:
    """The queries of a request with this time range, each with its own or that one."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return [
        pb.DataQuery(
            refId=text(query.ref_id),
            maxDataPoints=query.max_data_points,
            intervalMS=query.interval_ms,
            timeRange=range_to_message(query.time_range or common),
            json=json_bytes(query.json),
            queryType=text(query.query_type),
        )
        for query in queries
    ]


def queries_of_messages(entries: Iterable[messages.DataQuery], common: TimeRange) -> tuple[Query, ...]:
    """The queries of a request with this time range; only another one is a query's own."""
    from graftage.backend.query import Query, TimeRange

    def own(message: messages.DataQuery) -> TimeRange | None:
        asked = TimeRange(message.timeRange.fromEpochMS, message.timeRange.toEpochMS)
        return None if asked == common or not message.HasField("timeRange") else asked

    return tuple(
        Query(
            message.refId,
            json_text(message.json),
            message.intervalMS,
            message.maxDataPoints,
            message.queryType,
            own(message),
        )
        for message in entries
    )


def range_to_message(time_range: TimeRange) -> messages.TimeRange:
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.TimeRange(fromEpochMS=time_range.from_ms, toEpochMS=time_range.to_ms)


def _write_result(result: Result, frame_format: int) -> list[bytes]:
    """A `DataResponse` in pieces."""
    pieces: list[bytes] = []
    for frame in result.arrow or ():
        pieces += write_message(1, [frame])
    pieces += [write_text(2, result.error), write_text(3, result.meta_json)]
    pieces += [write_number(4, result.status), write_text(5, result.error_source)]
    pieces.append(write_number(6, frame_format))
    return pieces


def _read_entry(data: bytes, start: int, end: int) -> Result:
    """An entry of the map of results: a text and a `DataResponse`."""
    from graftage.backend.query import Result

    ref_id = ""
    frames: list[bytes] = []
    texts = {2: "", 3: "", 5: ""}  # error, meta, error source
    numbers = {4: 0, 6: ARROW}  # status, format
    for entry_number, entry_type, entry_start, entry_end in read_fields(data, start, end):
        if entry_type != LENGTH:
            continue
        if entry_number == 1:
            ref_id = read_text(data, entry_start, entry_end)
        if entry_number != 2:
            continue
        for number, wire_type, value, stop in read_fields(data, entry_start, entry_end):
            if wire_type == VARINT and number in numbers:
                numbers[number] = signed_32(value)
            elif wire_type == LENGTH and number == 1:
                frames.append(data[value:stop])
            elif wire_type == LENGTH and number in texts:
                texts[number] = read_text(data, value, stop)
    error = texts[2]
    if frames and numbers[6] != ARROW:
        frames, error = [], error or _not_arrow(numbers[6])
    return Result(ref_id, error, texts[3], arrow=tuple(frames), status=numbers[4], error_source=texts[5])


def _not_arrow(frame_format: int) -> str:
    name = "JSON" if frame_format == 1 else f"format {frame_format}"
    return f"the plugin sent frames in {name} where Arrow files were asked for; update its SDK"
