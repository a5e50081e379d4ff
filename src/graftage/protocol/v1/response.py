"""A `models.DatasourceResponse` between bytes and results.

Messages and numbers: `pb/datasource_v1.proto`. The generated module is not used: it would make an object of
every point and every cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from graftage.backend.query import Result
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.errors import WireError
from graftage.protocol.v1.alike_points import POINT
from graftage.protocol.v1.point_columns import PointColumns
from graftage.protocol.v1.point_decoding import read_points, read_single_point
from graftage.protocol.v1.point_encoding import write_points
from graftage.protocol.v1.table_decoding import UnknownKind, read_table
from graftage.protocol.v1.table_encoding import write_table
from graftage.protocol.wire import LENGTH, read_fields, read_text, write_bytes, write_message, write_text

# Results, series, tables and labels in one answer. Each is an object of hundreds of bytes, and as little as
# two on the wire: without a limit a small lie would take all of the host's memory.
MOST_PARTS = 250_000


class _Parts:
    """Counts the parts of one answer."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise WireError(f"more than {MOST_PARTS:,} results, series, tables and labels in one answer")


def decode_response(data: bytes) -> tuple[Result, ...]:
    """The results in a response, in its order. Raises WireError if the bytes are none, or of too many parts.

    A result in which a cell has an unknown kind becomes an error; the others stay.
    """
    parts = _Parts()
    return tuple(
        _read_result(data, content, stop, parts)
        for number, wire_type, content, stop in read_fields(data, 0, len(data))
        if number == 1 and wire_type == LENGTH
    )


def encode_response(results: Iterable[Result]) -> bytes:
    """The response that holds these results, in their order."""
    return b"".join(chain.from_iterable(write_message(1, _write_result(result)) for result in results))


def _read_result(data: bytes, start: int, end: int, parts: _Parts) -> Result:
    parts.take()
    texts = {1: "", 2: "", 3: ""}  # error, ref id, meta
    unknown: UnknownKind | None = None
    series: list[Series] = []
    tables: list[Table] = []
    for number, wire_type, content, stop in read_fields(data, start, end):
        if wire_type != LENGTH:
            continue
        if number == 4:
            series.append(_read_series(data, content, stop, parts))
        elif number == 5:
            parts.take()
            try:
                tables.append(read_table(data, content, stop))
            except UnknownKind as error:
                unknown = error
        elif number in texts:
            texts[number] = read_text(data, content, stop)
    if unknown is not None:
        return Result(texts[2], error=f"the plugin sent an {unknown}")
    return Result(texts[2], texts[1], texts[3], tuple(series), tuple(tables))


def _read_series(data: bytes, start: int, end: int, parts: _Parts) -> Series:
    parts.take()
    name = ""
    labels: dict[str, str] = {}
    columns = PointColumns()
    position = start
    while position < end:
        # Points come in long runs: everything up to the next one is read field by field.
        for number, wire_type, content, stop in read_fields(data, position, end):
            if wire_type == LENGTH:
                if number == 3:
                    break
                if number == 1:
                    name = read_text(data, content, stop)
                elif number == 2:
                    parts.take()
                    key, value = _read_label(data, content, stop)
                    labels[key] = value
            position = stop
        else:
            break
        if data[position] == POINT:
            position = read_points(data, position, end, columns)
        else:  # a tag of more bytes than it needs, or unknown groups before it
            read_single_point(data, content, stop, columns)
            position = stop
    return Series(name, *columns.finish(), labels)


def _read_label(data: bytes, start: int, end: int) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, wire_type, content, stop in read_fields(data, start, end):
        if wire_type == LENGTH and number in texts:
            texts[number] = read_text(data, content, stop)
    return texts[1], texts[2]


def _write_result(result: Result) -> list[bytes]:
    pieces = [write_text(1, result.error), write_text(2, result.ref_id), write_text(3, result.meta_json)]
    for series in result.series:
        pieces += write_message(4, _write_series(series))
    for table in result.tables:
        pieces += write_message(5, write_table(table))
    return pieces


def _write_series(series: Series) -> list[bytes]:
    labels = [write_bytes(2, _write_label(key, value)) for key, value in series.labels.items()]
    return [write_text(1, series.name), *labels, *write_points(series.times, series.values)]


def _write_label(key: str, value: str) -> bytes:
    """An entry of a map, which holds key and value even where they are empty."""
    return write_bytes(1, key.encode("utf-8", "replace")) + write_bytes(2, value.encode("utf-8", "replace"))
