"""The points of a series from protobuf to arrays, a million of them in the time protobuf takes to parse them.

A point on the wire is `1a <length>`, then `08 <timestamp, a varint of 1 to 10 bytes>` unless it is 0, then
`11 <value, 8 bytes>` unless it is 0. There are four ways to read them, each taking over where another stops:

- `alike_points`: points that are laid out like the first one, so that every byte position is a strided view.
- `nine_byte_points`: points with the timestamps of today, with or without a value.
- `mixed_points`: points of any of the usual layouts, found by their first bytes (`point_starts`).
- `_walk`: anything else that protobuf allows (fields in another order, twice, or unknown), point by point.

All work on a few thousand points at a time, so that intermediate arrays stay in the processor's cache.
"""

from __future__ import annotations

import struct
from typing import Final

from graftage.protocol.v1.alike_points import POINT, count_in_reach, layout_at, read_alike
from graftage.protocol.v1.mixed_points import read_mixed
from graftage.protocol.v1.nine_byte_points import TIME_BYTES, read_nine_byte_points
from graftage.protocol.v1.point_columns import PointColumns
from graftage.protocol.wire import FIXED64, VARINT, read_fields, read_length, signed

_CHUNK: Final = 8192  # points read at once; each intermediate array is 64 KiB then
_SHORT_RUN: Final = 2048  # points; where runs are shorter, points of different layouts are read together
_LONGEST_WALK: Final = 4096  # points
_TYPICAL_POINT: Final = 18  # bytes, with a timestamp of our days in milliseconds and a value

_DOUBLE: Final = struct.Struct("<d")


def read_points(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append the points that stand one after the other in `data[position:end]`, and return where they stop.

    They begin with a point's tag, and stop before the first other tag or at `end`. Raises WireError.
    """
    short_runs = 0
    patience = 1
    while position < end and data[position] == POINT:
        before = position
        run = 0
        layout = layout_at(data, position, end)
        if layout is not None and (count := count_in_reach(data, position, end, layout, _CHUNK)):
            run = read_alike(data, position, end, layout, count, columns)
            position += run * layout.stride
        short_runs = 0 if run >= _SHORT_RUN else short_runs + 1
        if short_runs > 1:  # one short run is an exception, such as a first value of 0
            position = _read_together(data, position, end, columns)
        if position > before:
            patience = 1
        else:
            position = _walk(data, position, end, columns, patience)
            patience = min(2 * patience, _LONGEST_WALK)
    return position


def read_single_point(data: bytes, start: int, end: int, columns: PointColumns) -> None:
    """Append the point whose message is `data[start:end]`, however its tag was written."""
    times, values = columns.extend(1)
    times[0], values[0] = _read_point(data, start, end)


def _read_point(data: bytes, start: int, end: int) -> tuple[int, float]:
    time, value = 0, 0.0
    for number, wire_type, content, _ in read_fields(data, start, end):
        if number == 1 and wire_type == VARINT:
            time = signed(content)
        elif number == 2 and wire_type == FIXED64:
            (value,) = _DOUBLE.unpack_from(data, content)
    return time, value


def _read_together(data: bytes, position: int, end: int, columns: PointColumns) -> int:
    """Append points of different layouts, as many as are near, and return where they stop: maybe at once."""
    layout = layout_at(data, position, end)
    if layout is not None and layout.time_bytes == TIME_BYTES:
        start = position
        while (stop := read_nine_byte_points(data, position, end, columns)) > position:
            position = stop
        if position > start:
            return position
    return read_mixed(data, position, end, columns)


def _walk(data: bytes, position: int, end: int, columns: PointColumns, most: int) -> int:
    """Append up to `most` points one by one, and return where they stop."""
    read: list[tuple[int, float]] = []
    while len(read) < most and position < end and data[position] == POINT:
        start, position = read_length(data, position + 1, end)
        read.append(_read_point(data, start, position))
    times, values = columns.extend(
        len(read), likely=min((end - position) // _TYPICAL_POINT, _CHUNK) + len(read)
    )
    times[:], values[:] = zip(*read, strict=True)
    return position
