"""Queries and answers of version 2 on the wire."""

from __future__ import annotations

import pytest

from graftage.backend.context import PluginContext
from graftage.backend.query import Chunk, FrameFormat, Query, QueryRequest, Result, TimeRange
from graftage.errors import WireError
from graftage.protocol.pb import backend_v2_pb2 as pb
from graftage.protocol.v2.data import (
    MOST_RESULTS,
    decode_chunk,
    decode_query_request,
    decode_query_response,
    encode_chunk,
    encode_query_request,
    encode_query_response,
)


def test_a_request_always_has_a_context_and_each_query_a_time_range() -> None:
    request = QueryRequest(TimeRange(0, 0), PluginContext(), (Query("A"),))
    message = pb.QueryDataRequest.FromString(encode_query_request(request))
    assert message.HasField("pluginContext")
    assert message.queries[0].HasField("timeRange")


def test_a_request_without_context_and_time_range_is_taken() -> None:
    message = pb.QueryDataRequest(queries=[pb.DataQuery(refId="A", json=b"{}")])
    request = decode_query_request(message.SerializeToString())
    assert (request.context, request.time_range) == (PluginContext(), TimeRange(0, 0))
    assert request.queries == (Query("A", "{}", 0, 0),)


def test_every_field_of_a_query_is_where_grafana_puts_it() -> None:
    own = Query("B", '{"b":2}', 250, 7, "annotation", TimeRange(3, 4))
    request = QueryRequest(
        TimeRange(1, 2, "now-6h", "now"),
        PluginContext(org_id=1),
        (Query("A", '{"a":1}', 1000, 100), own),
        {"http_X-Id": "1", "FromAlert": "true"},
    )
    message = pb.QueryDataRequest.FromString(encode_query_request(request))
    assert dict(message.headers) == {"http_X-Id": "1", "FromAlert": "true"}
    assert message.format == pb.ARROW
    assert list(message.queries) == [
        pb.DataQuery(
            refId="A",
            maxDataPoints=100,
            intervalMS=1000,
            timeRange=pb.TimeRange(fromEpochMS=1, toEpochMS=2),
            json=b'{"a":1}',
        ),
        pb.DataQuery(
            refId="B",
            maxDataPoints=7,
            intervalMS=250,
            timeRange=pb.TimeRange(fromEpochMS=3, toEpochMS=4),
            json=b'{"b":2}',
            queryType="annotation",
        ),
    ]


def test_a_query_with_a_time_range_of_its_own_keeps_it() -> None:
    asked = (Query("A"), Query("B", time_range=TimeRange(3, 4)))
    request = decode_query_request(
        encode_query_request(QueryRequest(TimeRange(1, 2), PluginContext(), asked))
    )
    assert request.time_range == TimeRange(1, 2)
    assert [query.time_range for query in request.queries] == [None, TimeRange(3, 4)]


def test_a_request_for_chunks_is_of_the_same_form() -> None:
    one, other = pb.QueryDataRequest.DESCRIPTOR, pb.QueryChunkedDataRequest.DESCRIPTOR
    assert [(f.name, f.number, f.message_type) for f in one.fields[::2]] == [
        (f.name, f.number, f.message_type) for f in other.fields[::2]
    ]
    assert [(f.name, f.number) for f in one.fields] == [(f.name, f.number) for f in other.fields]


def test_every_field_of_a_result_is_where_grafana_puts_it() -> None:
    result = Result(
        "A", "no table", '{"m":1}', arrow=(b"ARROW1a", b"ARROW1b"), status=404, error_source="plugin"
    )
    message = pb.QueryDataResponse.FromString(encode_query_response([result], FrameFormat.JSON))
    assert dict(message.responses) == {
        "A": pb.DataResponse(
            frames=[b"ARROW1a", b"ARROW1b"],
            error="no table",
            jsonMeta=b'{"m":1}',
            status=404,
            errorSource="plugin",
            format=pb.JSON,
        )
    }


def test_a_result_is_read_as_protobuf_writes_it() -> None:
    response = pb.DataResponse(
        frames=[b"ARROW1a", b"", b"ARROW1b"],
        error="no table",
        jsonMeta=b'{"m":1}',
        status=-404,
        errorSource="plugin",
    )
    message = pb.QueryDataResponse(responses={"A": response, "": pb.DataResponse()})
    assert decode_query_response(message.SerializeToString()) == (
        Result("", arrow=()),
        Result("A", "no table", '{"m":1}', (), (), (b"ARROW1a", b"", b"ARROW1b"), -404, "plugin"),
    )


def test_of_two_results_for_a_query_the_later_counts_for_us_and_for_protobuf() -> None:
    message = encode_query_response([Result("A", "old"), Result("A", "new")])
    assert [result.error for result in decode_query_response(message)] == ["new"]
    assert pb.QueryDataResponse.FromString(message).responses["A"].error == "new"


def test_results_come_in_the_order_of_their_ref_ids() -> None:
    message = encode_query_response(Result(name) for name in "CAB")
    assert [result.ref_id for result in decode_query_response(message)] == ["A", "B", "C"]


@pytest.mark.parametrize("entry", [b"\x0a\x08\x0a\x06%06d", b"\x0a\x00"], ids=["distinct", "repeated"])
def test_an_answer_of_too_many_results_is_refused(entry: bytes) -> None:
    entries = b"".join(entry % number if b"%" in entry else entry for number in range(MOST_RESULTS + 1))
    with pytest.raises(WireError, match="more than 250,000 results"):
        decode_query_response(entries)


def test_an_answer_without_frames_has_none_and_not_that_of_version_1() -> None:
    (result,) = decode_query_response(encode_query_response([Result("A", arrow=())]))
    assert result == Result("A", arrow=())


@pytest.mark.parametrize(("number", "name"), [(1, "in JSON"), (7, "in format 7")])
def test_frames_that_are_no_arrow_are_the_error_of_their_own_query(number: int, name: str) -> None:
    message = pb.QueryDataResponse(responses={"B": pb.DataResponse(frames=[b"ARROW1"])})
    message.responses["A"].frames.append(b"{}")
    message.responses["A"].format = number  # type: ignore[assignment] # as a plugin of the future may
    wrong, right = decode_query_response(message.SerializeToString())
    assert wrong.arrow == ()
    assert f"frames {name} where Arrow" in wrong.error
    assert right == Result("B", arrow=(b"ARROW1",))


def test_what_the_plugin_says_is_wrong_goes_before_what_the_host_says() -> None:
    response = pb.DataResponse(frames=[b"{}"], format=pb.JSON, error="no table")
    message = pb.QueryDataResponse(responses={"A": response})
    assert decode_query_response(message.SerializeToString())[0].error == "no table"


def test_a_chunk_that_is_no_arrow_is_an_error() -> None:
    chunk = decode_chunk(encode_chunk(Chunk("A", "f0", b"{}"), FrameFormat.JSON))
    assert (chunk.arrow, chunk.frame_id) == (None, "f0")
    assert "frames in JSON" in chunk.error


def test_text_with_lone_surrogates_is_sent_with_question_marks() -> None:
    (result,) = decode_query_response(encode_query_response([Result("\ud800", "caf\xe9 \udcff", "[\udc00]")]))
    assert (result.ref_id, result.error, result.meta_json) == ("?", "caf\xe9 ?", "[?]")


def test_json_that_is_no_utf_8_loses_only_what_is_wrong() -> None:
    message = pb.QueryDataResponse(responses={"A": pb.DataResponse(jsonMeta=b'{"a":"\xff"}')})
    assert decode_query_response(message.SerializeToString())[0].meta_json == '{"a":"\ufffd"}'
