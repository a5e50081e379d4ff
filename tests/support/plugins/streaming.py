"""A data source of protocol version 2 whose channels are told what to do by their paths.

`numbers/*`: 5,000 packets, of column `first` in the first run and `second` in the later ones. `clock/*`: a
packet every few milliseconds. `flood`: packets of 100 kB without end. `broken`: no JSON, and then some.
`missing`, `secret`: not to be had. What is published comes back as `{"said": …}`, into `quiet` not at all.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from graftage.backend.stream import StreamAnswer, StreamRequest, StreamStatus
from graftage.protocol import rpc
from graftage.protocol.v2.stream import decode_stream_request, encode_packet, encode_stream_answer
from graftage.sdk.serving import serve_services

PACKETS = 5000

_STATUS = {"missing": StreamStatus.NOT_FOUND, "secret": StreamStatus.PERMISSION_DENIED}
_Context = grpc.aio.ServicerContext[Any, Any]


def main(notes: str) -> None:
    """Serve. notes: a file to which each run adds a line of JSON when it begins and when it ends."""
    streaming = _Streaming(Path(notes))
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    methods = {
        "SubscribeStream": unary(streaming.subscribe),
        "PublishStream": unary(streaming.publish),
        "RunStream": stream(streaming.run),
    }
    serve_services({2: [grpc.method_handlers_generic_handler(rpc.STREAM, methods)]})


def full(column: str, number: int) -> bytes:
    """A frame of one number with its schema."""
    return b'{"schema":{"fields":[{"name":"%s"}]},%s' % (column.encode(), data(number)[1:])


def data(number: int) -> bytes:
    """The same without its schema."""
    return b'{"data":{"values":[[%d]]}}' % number


class _Streaming:
    def __init__(self, notes: Path) -> None:
        self._notes = notes

    async def subscribe(self, message: bytes, context: _Context) -> bytes:
        request = decode_stream_request(message)
        return encode_stream_answer(StreamAnswer(_STATUS.get(request.path, StreamStatus.OK)))

    async def publish(self, message: bytes, context: _Context) -> bytes:
        request = decode_stream_request(message)
        said = b'{"said":%s}' % request.data if request.path != "quiet" else b""
        return encode_stream_answer(StreamAnswer(_STATUS.get(request.path, StreamStatus.OK), said))

    async def run(self, message: bytes, context: _Context) -> AsyncIterator[bytes]:
        request = decode_stream_request(message)
        runs = self._note("begun", request)
        try:
            async for packet in _packets(request.path, runs):
                yield encode_packet(packet)
        finally:
            self._note("ended", request)

    def _note(self, what: str, request: StreamRequest) -> int:
        """How often that happened to the path before, in this process or an earlier one."""
        before = Counter((note["what"], note["path"]) for note in read_notes(self._notes))
        source = request.context.data_source
        note = {"what": what, "path": request.path, "pid": os.getpid(), "url": source.url if source else ""}
        with self._notes.open("a") as file:
            file.write(json.dumps(note) + "\n")
        return before[what, request.path]


def read_notes(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def _packets(path: str, runs: int) -> AsyncIterator[bytes]:
    match path.split("/")[0]:
        case "numbers":
            start = PACKETS * runs
            yield full("second" if runs else "first", start)
            for number in range(start + 1, start + PACKETS):
                yield data(number)
            await asyncio.Event().wait()
        case "clock":
            yield full("time", 0)
            while True:
                await asyncio.sleep(0.005)
                yield data(1)
        case "flood":
            while True:
                yield b'"' + b"x" * 100_000 + b'"'
        case "broken":
            yield b"{"
            yield b'"good"'
            await asyncio.Event().wait()
        case _:
            await asyncio.Event().wait()
