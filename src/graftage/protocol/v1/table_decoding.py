"""A `models.Table`, from protobuf to cells."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from graftage.data.table import CellKind, Table
from graftage.protocol.v1.wire import FIXED64, LENGTH, VARINT, read_fields, read_text, signed, signed_32

_DOUBLE: Final = struct.Struct("<d")


class UnknownKind(Exception):
    """A cell has a kind that this protocol does not know, so nobody can tell what it holds."""

    def __init__(self, number: int) -> None:
        super().__init__(f"unknown value kind {number} in a table cell; expected 0 to {max(CellKind)}")
        self.number = number


@dataclass(slots=True)
class _Cells:
    """Cells in reading order, while they are read: what `Table` is made of."""

    kinds: list[int] = field(default_factory=list)
    doubles: list[float] = field(default_factory=list)
    integers: list[int] = field(default_factory=list)
    bools: list[bool] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)


def read_table(data: bytes, start: int, end: int) -> Table:
    """The table in `data[start:end]`. Raises WireError, and UnknownKind."""
    columns: list[str] = []
    widths: list[int] = []
    cells = _Cells()
    for number, wire_type, content, stop in read_fields(data, start, end):
        if wire_type == LENGTH and number == 1:
            columns.append(_read_name(data, content, stop))
        elif wire_type == LENGTH and number == 2:
            widths.append(_read_row(data, content, stop, cells))
    return Table(
        tuple(columns),
        np.array(widths, np.int64),
        np.array(cells.kinds, np.uint8),
        np.array(cells.doubles, np.float64),
        np.array(cells.integers, np.int64),
        np.array(cells.bools, np.bool_),
        cells.texts,
        cells.blobs,
    )


def _read_name(data: bytes, start: int, end: int) -> str:
    name = ""
    for number, wire_type, content, stop in read_fields(data, start, end):
        if number == 1 and wire_type == LENGTH:
            name = read_text(data, content, stop)
    return name


def _read_row(data: bytes, start: int, end: int, cells: _Cells) -> int:
    width = 0
    for number, wire_type, content, stop in read_fields(data, start, end):
        if number == 1 and wire_type == LENGTH:
            _read_cell(data, content, stop, cells)
            width += 1
    return width


def _read_cell(data: bytes, start: int, end: int, cells: _Cells) -> None:
    kind = double = integer = boolean = 0
    text = blob = (0, 0)
    for number, wire_type, content, stop in read_fields(data, start, end):
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
            cells.doubles.append(_DOUBLE.unpack_from(data, double)[0] if double else 0.0)
        case CellKind.INT64:
            cells.integers.append(signed(integer))
        case CellKind.BOOL:
            cells.bools.append(boolean != 0)
        case CellKind.STRING:
            cells.texts.append(read_text(data, *text))
        case CellKind.BYTES:
            cells.blobs.append(data[slice(*blob)])
        case _:
            raise UnknownKind(kind)
    cells.kinds.append(kind)
