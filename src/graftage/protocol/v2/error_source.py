"""Whose fault it is that a call failed as a whole, told beside its gRPC status.

A `google.rpc.Status` in the trailing metadata repeats code and message, and holds a `google.rpc.ErrorInfo`
with the metadata `errorSource`. The messages are read and written field by field: modules generated for them
would clash, in protobuf's one pool, with those that an author may have installed.

Source: grafana/grafana-plugin-sdk-go, backend/data_adapter.go; googleapis, google/rpc/status.proto and
error_details.proto; grpc/grpc-go, internal/transport/http2_client.go, which takes the message from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graftage.errors import WireError
from graftage.protocol.wire import LENGTH, read_fields, read_text, write_bytes, write_number, write_text

DETAILS = "grpc-status-details-bin"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
KEY = "errorSource"
SOURCES = frozenset({"plugin", "downstream"})

UNKNOWN = 2  # the gRPC status of a handler that failed


def error_details(source: str, message: str, *, code: int = UNKNOWN) -> tuple[tuple[str, bytes], ...]:
    """Trailing metadata for a call that fails; none for a source that is empty.

    message, code: those of its gRPC status, which Go takes from here.
    """
    if not source:
        return ()
    entry = write_text(1, KEY) + write_text(2, source)
    info = write_text(1, ERROR_INFO) + write_bytes(2, write_bytes(3, entry))
    status = write_number(1, code) + write_text(2, message) + write_bytes(3, info)
    return ((DETAILS, status),)


def read_error_source(trailing: Iterable[tuple[str, object]] | None) -> str:
    """`plugin`, `downstream`, or empty where the metadata does not say it in a way that can be understood."""
    for name, value in trailing or ():
        if name == DETAILS and isinstance(value, bytes):
            try:
                return next((source for source in _sources(value) if source in SOURCES), "")
            except WireError:
                return ""
    return ""


def _sources(status: bytes) -> Iterator[str]:
    for start, end in _parts(status, 0, len(status), 3):
        if _text(status, start, end, 1) != ERROR_INFO:
            continue
        for info_start, info_end in _parts(status, start, end, 2):
            for entry_start, entry_end in _parts(status, info_start, info_end, 3):
                if _text(status, entry_start, entry_end, 1) == KEY:
                    yield _text(status, entry_start, entry_end, 2)


def _text(data: bytes, start: int, end: int, number: int) -> str:
    return "".join(read_text(data, *part) for part in _parts(data, start, end, number))


def _parts(data: bytes, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    """Where the texts, bytes or messages of this number begin and end in `data[start:end]`."""
    for found, wire_type, content, stop in read_fields(data, start, end):
        if found == number and wire_type == LENGTH:
            yield content, stop
