"""A protocol v2 data source that does what it is told, and writes down what it received.

Queries: what the first one with a key `probe` says; where that is frames or errors, it sends the answer that
was recorded, which lies in a file beside its own. Health: what `jsonData.health` says. Resources: by path.
The README beside the recordings has all of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from graftage.data.canonical_json import write_json
from graftage.protocol import rpc
from graftage.protocol.pb import backend_v2_pb2 as v2
from graftage.sdk.serving import serve_services
from support.plugins.probe import act, shown, write_down

# Beside the executable: the `QueryDataResponse` that was recorded, as protobuf JSON.
ANSWER = "answer.json"
METRICS = b"# HELP probe_calls A metric of the probe.\n# TYPE probe_calls counter\nprobe_calls 3\n"

_Context = grpc.aio.ServicerContext[Any, Any]


def main(record: str) -> None:
    """Serve. record: the file to which each request is added, a line of JSON each."""
    probe = _Probe(Path(record))
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    services = {
        rpc.DATA: {"QueryData": unary(probe.query)},
        rpc.DIAGNOSTICS: {"CheckHealth": unary(probe.health), "CollectMetrics": unary(_metrics)},
        rpc.RESOURCE: {"CallResource": stream(probe.resource)},
    }
    handlers = [grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()]
    serve_services({2: handlers})


class _Probe:
    def __init__(self, record: Path) -> None:
        self._record = record

    async def query(self, message: bytes, context: _Context) -> bytes:
        request = v2.QueryDataRequest.FromString(message)
        self._write_down("QueryData", request)
        models = (json.loads(query.json) for query in request.queries)
        script = next((model["probe"] for model in models if "probe" in model), None)
        if script is None:
            return b""
        await act(script, context)
        answer = json.loads(self._record.with_name(ANSWER).read_text())
        return json_format.ParseDict(answer, v2.QueryDataResponse()).SerializeToString()

    async def health(self, message: bytes, context: _Context) -> bytes:
        request = v2.CheckHealthRequest.FromString(message)
        self._write_down("CheckHealth", request)
        settings = json.loads(request.pluginContext.dataSourceInstanceSettings.jsonData or b"{}")
        script = settings.get("health", {"status": 1, "message": "probe ok"})
        await act(script, context)
        details = script.get("details", "").encode()
        report = v2.CheckHealthResponse(message=script.get("message", ""), jsonDetails=details)
        report.status = script.get("status", 1)
        return report.SerializeToString()

    async def resource(self, message: bytes, context: _Context) -> AsyncIterator[bytes]:
        request = v2.CallResourceRequest.FromString(message)
        self._write_down("CallResource", request)
        for part in await _parts(request, context):
            yield part.SerializeToString()

    def _write_down(self, method: str, request: Message) -> None:
        write_down(self._record, {"method": method, "request": shown(request)})


async def _metrics(_: bytes, __: _Context) -> bytes:
    payload = v2.CollectMetricsResponse.Payload(prometheus=METRICS)
    return v2.CollectMetricsResponse(metrics=payload).SerializeToString()


async def _parts(request: v2.CallResourceRequest, context: _Context) -> list[v2.CallResourceResponse]:
    """The answer to a call of a resource, in pieces."""
    asked = parse_qsl(urlsplit(request.url).query)
    code = int(dict(asked).get("code", 200))
    headers: dict[str, v2.StringList] = {}
    for name, value in asked:
        if name.startswith("h."):
            headers.setdefault(name.removeprefix("h."), v2.StringList()).values.append(value)
    answer = v2.CallResourceResponse
    match request.path:
        case "empty":
            return []
        case "error":
            await context.abort(grpc.StatusCode.UNKNOWN, "went wrong")
        case "unimplemented":
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such resource")
        case "exit":
            os._exit(1)
        case "noheaders":
            return [answer(code=code, body=b"plain body")]
        case "stream":
            plain = {"Content-Type": v2.StringList(values=["text/plain"])}
            first = answer(code=code, headers=plain, body=b"part0;")
            return [first, answer(body=b"part1;"), answer(body=b"part2;")]
        case "body":
            return [answer(code=code, headers=headers, body=request.body)]
    told = {
        "path": request.path,
        "method": request.method,
        "url": request.url,
        "body": request.body.decode("utf-8", "replace"),
    }
    return [answer(code=code, headers=headers, body=write_json(told).encode())]
