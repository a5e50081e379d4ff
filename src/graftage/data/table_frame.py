"""A table of protocol version 1 as a frame.

Source of the shapes: Grafana 7, pkg/tsdb/frame_util.go and its expressions.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.moments import LAST_MILLISECOND, NANOSECONDS
from graftage.data.table import TIME_NAMES, CellKind, Table

# Cells that the rows of a table may lack. As rows are cheap on the wire, one long one would cost a host all
# of its memory: a frame has each column in full.
_MOST_LACKING: Final = 10_000_000


def table_to_frame(table: Table, *, ref_id: str = "") -> Frame:
    """A frame with a field for each column of a table; cells that a short row lacks are missing values.

    The kinds of a column's cells decide its type. Numbers under a column named time or date are milliseconds.
    Raises ValueError for rows so uneven that most of the frame would be missing.
    """
    widest = max(int(table.widths.max(initial=0)), len(table.columns))
    if widest * len(table) - len(table.kinds) > _MOST_LACKING:
        raise ValueError(
            f"a table has {len(table)} rows of up to {widest} cells, but only {len(table.kinds)} cells in "
            "all; expected rows of about one length"
        )
    names = table.columns + ("",) * (widest - len(table.columns))
    starts, ranks = np.cumsum(table.widths) - table.widths, _ranks(table.kinds)
    fields = (_field(_column(table, starts, ranks, index), name) for index, name in enumerate(names))
    return Frame(tuple(fields), ref_id=ref_id)


@dataclass(frozen=True, slots=True)
class _Column:
    """The cells under one column. rows: those that have one.

    kinds, ranks: of each cell, what it holds and its place among the table's cells of that kind.
    """

    table: Table
    rows: NDArray[np.intp]
    kinds: NDArray[np.uint8]
    ranks: NDArray[np.intp]

    def held(self) -> frozenset[int]:
        """The kinds of its cells, but for NULL."""
        return frozenset(np.unique(self.kinds).tolist()) - {CellKind.NULL}

    def present(self) -> NDArray[np.bool_]:
        present = np.zeros(len(self.table), np.bool_)
        present[self.rows] = self.kinds != CellKind.NULL
        return present

    def spread(self, kind: CellKind, contents: NDArray[Any], dtype: type) -> NDArray[Any]:
        """The values of one kind at their rows, and the zero of the type at the others."""
        chosen = self.kinds == kind
        values: NDArray[Any] = np.zeros(len(self.table), dtype)
        values[self.rows[chosen]] = contents[self.ranks[chosen]]
        return values

    def texts(self) -> NDArray[np.object_]:
        """All values as text, bytes as base64."""
        texts = np.full(len(self.table), "", object)
        for kind in self.held():
            chosen = self.kinds == kind
            texts[self.rows[chosen]] = np.array(_texts(self.table, kind, self.ranks[chosen]), object)
        return texts


def _ranks(kinds: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Of each cell its place among those of its kind: reckoned once, as a table may have many columns."""
    ranks = np.zeros(len(kinds), np.intp)
    for kind in CellKind:
        places = np.flatnonzero(kinds == kind)
        ranks[places] = np.arange(len(places))
    return ranks


def _column(table: Table, starts: NDArray[np.int64], ranks: NDArray[np.intp], index: int) -> _Column:
    """The column at an index. starts: of each row, where its cells begin."""
    rows = np.flatnonzero(table.widths > index)
    cells = starts[rows] + index
    return _Column(table, rows, table.kinds[cells], ranks[cells])


def _texts(table: Table, kind: int, ranks: NDArray[np.intp]) -> list[str]:
    match kind:
        case CellKind.DOUBLE:
            return list(map(str, table.doubles[ranks].tolist()))
        case CellKind.INT64:
            return list(map(str, table.integers[ranks].tolist()))
        case CellKind.BOOL:
            return ["true" if value else "false" for value in table.bools[ranks].tolist()]
        case CellKind.BYTES:
            return [b64encode(table.blobs[rank]).decode() for rank in ranks.tolist()]
        case _:
            return [table.texts[rank] for rank in ranks.tolist()]


def _field(column: _Column, name: str) -> Field:
    table, valid = column.table, column.present()
    match column.held():
        case held if held and held <= {CellKind.INT64, CellKind.DOUBLE}:
            dtype = np.int64 if held == {CellKind.INT64} else np.float64
            values: NDArray[Any] = column.spread(CellKind.INT64, table.integers, dtype)
            values += column.spread(CellKind.DOUBLE, table.doubles, dtype)
            if name.lower() in TIME_NAMES and (moments := _moments(values, valid)) is not None:
                return Field(name, FieldType.TIME, moments, valid & np.isfinite(values))
            return Field(name, FieldType(values.dtype.name), values, valid)
        case held if held == {CellKind.BOOL}:
            return Field(name, FieldType.BOOL, column.spread(CellKind.BOOL, table.bools, np.bool_), valid)
        case _:
            return Field(name, FieldType.STRING, column.texts(), valid)


def _moments(milliseconds: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.datetime64] | None:
    """Milliseconds as times; None if one of them lies beyond what a frame's times can hold."""
    known = np.where(valid & np.isfinite(milliseconds), milliseconds, 0)
    if (np.abs(known.astype(np.float64)) > LAST_MILLISECOND).any():
        return None
    return (known * NANOSECONDS["ms"]).astype(np.int64).view("datetime64[ns]")
