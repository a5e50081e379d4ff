"""A protocol v1 data source that does what its first query with a key `probe` says, and writes down what it
received.

`response` (answer this protobuf JSON), `rpc_error` and `rpc_code` (fail with this text and gRPC status),
`nil` (what a Go handler without a message leads to), `sleep_ms`, `exit` (end the process with this status),
`panic` (as Go does).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from graftage.protocol import rpc
from graftage.protocol.pb import datasource_v1_pb2 as v1
from graftage.sdk.serving import serve_services

GO_PANIC_STATUS = 2
_STATUS = {code.value[0]: code for code in grpc.StatusCode}


def main(record: str) -> None:
    """Serve. record: the file to which each request is added, a line of JSON each."""
    record_file = Path(os.environ.get("PROBE_RECORD", record))

    async def query(message: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        request = v1.DatasourceRequest.FromString(message)
        write_down(record_file, shown(request))
        script = _script(request)
        await act(script, context)
        return json_format.ParseDict(script.get("response", {}), v1.DatasourceResponse()).SerializeToString()

    handlers = {"Query": grpc.unary_unary_rpc_method_handler(query)}
    serve_services({1: [grpc.method_handlers_generic_handler(rpc.DATASOURCE_V1, handlers)]})


def shown(request: Message) -> dict[str, Any]:
    """Protobuf JSON, as the recordings have it."""
    found: dict[str, Any] = json_format.MessageToDict(request, always_print_fields_with_no_presence=True)
    return found


def write_down(file: Path, request: dict[str, Any]) -> None:
    """Add the request before it is acted on: the process may not live to see the end of it."""
    with file.open("a", encoding="utf-8") as record:
        record.write(json.dumps(request) + "\n")


def _script(request: v1.DatasourceRequest) -> dict[str, Any]:
    models = (json.loads(query.modelJson) for query in request.queries)
    return next((model["probe"] for model in models if isinstance(model, dict) and "probe" in model), {})


async def act(script: dict[str, Any], context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """What the script says to do instead of answering, if it says anything of the kind."""
    if "sleep_ms" in script:
        await asyncio.sleep(script["sleep_ms"] / 1000)
    if "exit" in script:
        os._exit(script["exit"])
    if "panic" in script:
        _panic(script["panic"])
    if script.get("nil"):
        # Source: google.golang.org/grpc, what a server answers for a handler that returns nil.
        await context.abort(
            grpc.StatusCode.INTERNAL, "grpc: error while marshaling: proto: Marshal called with nil"
        )
    if "rpc_error" in script or "rpc_code" in script:
        await context.abort(_STATUS[script.get("rpc_code", 2)], script.get("rpc_error", ""))


def _panic(text: str) -> NoReturn:
    sys.stderr.write(f"panic: {text}\n\ngoroutine 1 [running]:\nmain.main()\n")
    sys.stderr.flush()
    os._exit(GO_PANIC_STATUS)
