"""A `models.Table`, from protobuf to cells.

Rows are read side by side in batches (see `row_decoding`). A batch in which anything is encoded in an unusual
way, which protobuf allows, is walked through cell by cell instead, and so is one of few rows.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from graftage.data.table import CellKind, Table
from graftage.protocol.v1.row_decoding import Rows, Unusual, read_rows
from graftage.protocol.wire import LENGTH, read_fields, read_text, signed, signed_32

_BATCH: Final = 4096  # rows
_FEW_ROWS: Final = 24

_DOUBLE: Final = struct.Struct("<d")


class UnknownKind(Exception):
    """A cell has a kind that this protocol does not know, so nobody can tell what it holds."""

    def __init__(self, number: int) -> None:
        super().__init__(f"unknown value kind {number} in a table cell; expected 0 to {max(CellKind)}")
        self.number = number


def read_table(data: bytes, start: int, end: int) -> Table:
    """The table in `data[start:end]`. Raises WireError, and UnknownKind."""
    columns: list[str] = []
    spans: list[tuple[int, int]] = []
    for number, wire_type, content, stop in read_fields(data, start, end):
        if wire_type == LENGTH and number == 1:
            columns.append(_read_name(data, content, stop))
        elif wire_type == LENGTH and number == 2:
            spans.append((content, stop))
    batches = [_read_batch(data, spans[index : index + _BATCH]) for index in range(0, len(spans), _BATCH)]
    return _table(tuple(columns), batches)


def _table(columns: tuple[str, ...], batches: Sequence[Rows]) -> Table:
    if not batches:
        return Table(columns)
    return Table(
        columns,
        np.concatenate([rows.widths for rows in batches]),
        np.concatenate([rows.kinds for rows in batches]),
        np.concatenate([rows.doubles for rows in batches]),
        np.concatenate([rows.integers for rows in batches]),
        np.concatenate([rows.bools for rows in batches]),
        [text for rows in batches for text in rows.texts],
        [blob for rows in batches for blob in rows.blobs],
    )


def _read_name(data: bytes, start: int, end: int) -> str:
    name = ""
    for number, wire_type, content, stop in read_fields(data, start, end):
        if number == 1 and wire_type == LENGTH:
            name = read_text(data, content, stop)
    return name


def _read_batch(data: bytes, spans: Sequence[tuple[int, int]]) -> Rows:
    if len(spans) > _FEW_ROWS:
        starts, stops = np.array(spans, np.intp).T
        try:
            return read_rows(data, starts, stops)
        except Unusual:
            pass
    walk = _Walk(data)
    widths = [walk.read_row(start, stop) for start, stop in spans]
    return Rows(
        np.array(widths, np.int64),
        np.array(walk.kinds, np.uint8),
        np.array(walk.doubles, np.float64),
        np.array(walk.integers, np.int64),
        np.array(walk.bools, np.bool_),
        walk.texts,
        walk.blobs,
    )


class _Walk:
    """Cells read one by one, in reading order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.kinds: list[int] = []
        self.doubles: list[float] = []
        self.integers: list[int] = []
        self.bools: list[bool] = []
        self.texts: list[str] = []
        self.blobs: list[bytes] = []

    def read_row(self, start: int, end: int) -> int:
        """Read the row in `data[start:end]`; how many cells it has. Raises WireError, and UnknownKind."""
        width = 0
        for number, wire_type, content, stop in read_fields(self._data, start, end):
            if number == 1 and wire_type == LENGTH:
                self._read_cell(content, stop)
                width += 1
        return width

    def _read_cell(self, start: int, end: int) -> None:
        kind = double = integer = boolean = 0
        text = blob = (0, 0)
        for number, wire_type, content, stop in read_fields(self._data, start, end):
            match number, wire_type:
                case 1, 0:
                    kind = signed_32(content)
                case 2, 1:
                    double = content
                case 3, 0:
                    integer = content
                case 4, 0:
                    boolean = content
                case 5, 2:
                    text = content, stop
                case 6, 2:
                    blob = content, stop
        match kind:
            case CellKind.NULL:
                pass
            case CellKind.DOUBLE:
                self.doubles.append(_DOUBLE.unpack_from(self._data, double)[0] if double else 0.0)
            case CellKind.INT64:
                self.integers.append(signed(integer))
            case CellKind.BOOL:
                self.bools.append(boolean != 0)
            case CellKind.STRING:
                self.texts.append(read_text(self._data, *text))
            case CellKind.BYTES:
                self.blobs.append(self._data[slice(*blob)])
            case _:
                raise UnknownKind(kind)
        self.kinds.append(kind)
