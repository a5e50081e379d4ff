"""The ways in which a query can be put over HTTP, and what is sent to the plugin for each of them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.frames import frames_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.data.frame_json import write_frame_json
from graftage.protocol import rpc
from graftage.protocol.pb.backend_v2_pb2 import QueryDataResponse
from graftage.protocol.pb.datasource_v1_pb2 import DatasourceResponse
from graftage.protocol.v1.request import encode_request
from graftage.protocol.v2.data import decode_query_response, encode_query_request

SPAN = ("1555324640000", "1555328240000")


@dataclass(frozen=True, slots=True)
class Way:
    """path: of the HTTP request. by_uid: does it name the data source so, and not by number?
    method, encode: of the call to the plugin. read: makes a message of the answer. is_same: does the answer
    over HTTP say what this message says?
    """

    name: str
    plugin_id: str
    path: str
    by_uid: bool
    method: str
    encode: Callable[[QueryRequest], bytes]
    read: Callable[[bytes], Any]
    is_same: Callable[[bytes, Any], bool]

    def http(self, source: DataSourceSettings, model: dict[str, object]) -> bytes:
        """The body of the request over HTTP."""
        queries = [{**model, **self._naming(source)}]
        return json.dumps({"from": SPAN[0], "to": SPAN[1], "queries": queries}).encode()

    def request(self, source: DataSourceSettings, model: dict[str, object]) -> bytes:
        """What the server sends to the plugin for the same query."""
        text = json.dumps({**model, **self._naming(source)}, sort_keys=True, separators=(",", ":"))
        span = TimeRange(int(SPAN[0]), int(SPAN[1]), *SPAN)
        return self.encode(QueryRequest(span, context_of(source), (Query("A", text),)))

    def _naming(self, source: DataSourceSettings) -> dict[str, object]:
        named: dict[str, object] = {"datasource": {"uid": source.uid}}
        return named if self.by_uid else {"datasourceId": source.id}


def _same_points(body: bytes, message: Any) -> bool:
    found = [one["points"] for one in json.loads(body)["results"]["A"]["series"]]
    sent = [[[point.value, point.timestamp] for point in one.points] for one in message.results[0].series]
    return found == sent


def _same_files(body: bytes, message: Any) -> bool:
    files = json.loads(body)["results"]["A"]["dataframes"]
    return bool(files == [b64encode(file).decode() for file in message.responses["A"].frames])


def _same_frames(body: bytes, message: Any) -> bool:
    (result,) = decode_query_response(message.SerializeToString())
    written = b",".join(b"".join(write_frame_json(frame)) for frame in frames_of(result))
    return b'"frames":[%b]' % written in body


VERSION_1 = Way(
    "v1",
    "bench-v1-datasource",
    "/api/tsdb/query",
    False,
    rpc.QUERY_V1,
    encode_request,
    DatasourceResponse.FromString,
    _same_points,
)
FILES = Way(
    "v2, Arrow in JSON (7.5)",
    "bench-datasource",
    "/api/ds/query",
    False,
    rpc.QUERY_DATA,
    encode_query_request,
    QueryDataResponse.FromString,
    _same_files,
)
FRAMES = Way(
    "v2, frames as JSON",
    "bench-datasource",
    "/api/ds/query",
    True,
    rpc.QUERY_DATA,
    encode_query_request,
    QueryDataResponse.FromString,
    _same_frames,
)
