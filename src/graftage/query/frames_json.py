"""The answer of `/api/ds/query` as Grafana gives it since version 8.

    {"results":{"A":{"status":200,"frames":[{"schema":{…},"data":{"values":[[1555324640782],[1.5]]}}]},
                "B":{"error":"no such metric","errorSource":"downstream","status":500,"frames":[]}}}

Source: grafana/grafana-plugin-sdk-go, backend/json.go (`QueryDataResponse`, `DataResponse`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from graftage.backend.frames import allowance_for, frames_of
from graftage.backend.query import Result
from graftage.data.arrow.compression import Allowance
from graftage.data.canonical_json import write_json_bytes
from graftage.data.frame import Frame
from graftage.data.frame_json import write_frame_json
from graftage.errors import WireError
from graftage.query.tsdb_json import joined

_STATUSES: Final = range(100, 600)


@dataclass(frozen=True, slots=True)
class FramesResult:
    """What is shown under one `ref_id`. status: by the codes of HTTP."""

    ref_id: str
    frames: tuple[Frame, ...] = ()
    error: str = ""
    error_source: str = ""
    status: int = 200


def frames_results(results: Collection[Result]) -> list[FramesResult]:
    """The results of an answer, frames read. What cannot be read is the error of its result alone."""
    allowance = allowance_for(results)
    return [_read(result, allowance) for result in results]


def _read(result: Result, allowance: Allowance) -> FramesResult:
    try:
        frames = frames_of(result, allowance)
    except WireError as error:
        complaint = f"the plugin sent a frame that cannot be read: {error}"
        return FramesResult(result.ref_id, (), complaint, "plugin", 500)
    return FramesResult(result.ref_id, frames, result.error, result.error_source, _status(result))


def encode_frames_answer(results: Iterable[FramesResult], *, message: str = "") -> list[bytes]:
    """The body in chunks: results sorted by ref id, and `message` behind them unless it is empty."""
    return list(joined(_answer(results, message)))


def _status(result: Result) -> int:
    """The plugin's own status if it is one; else 500, unless there is nothing to complain about."""
    if result.status in _STATUSES:
        return result.status
    return 500 if result.error or result.status else 200


def _answer(results: Iterable[FramesResult], message: str) -> Iterator[bytes]:
    yield b'{"results":{'
    for index, result in enumerate(sorted(results, key=lambda result: result.ref_id)):
        yield b"," if index else b""
        yield write_json_bytes(result.ref_id)
        yield b":{"
        yield from _result(result)
        yield b"}"
    yield b'},"message":%b}' % write_json_bytes(message) if message else b"}}"


def _result(result: FramesResult) -> Iterator[bytes]:
    if result.error:
        source = write_json_bytes(result.error_source)
        yield b'"error":%b,"errorSource":%b,' % (write_json_bytes(result.error), source)
    yield b'"status":%d,"frames":[' % result.status
    for index, frame in enumerate(result.frames):
        yield b"," if index else b""
        yield from write_frame_json(frame)
    yield b"]"
