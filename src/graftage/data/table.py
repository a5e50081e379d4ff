"""A table as protocol version 1 knows it: every cell has a kind of its own, and rows may differ in length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

TIME_NAMES = ("time", "date")  # of columns, in any case, whose numbers are milliseconds since 1970
_INT64 = range(-(2**63), 2**63)

Cell = float | int | bool | str | bytes | None


class CellKind(IntEnum):
    """What a cell holds. The numbers are those of `RowValue.Kind` on the wire."""

    NULL = 0
    DOUBLE = 1
    INT64 = 2
    BOOL = 3
    STRING = 4
    BYTES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Cells in reading order, row by row, under named columns.

    What cells hold is kept apart by kind, each in the cells' order, so that numbers stay in arrays however
    the kinds mix and however the rows differ in length.

    columns: names, which may repeat, be empty, and be more or fewer than the cells of a row.
    widths: how many cells each row has (int64). kinds: a `CellKind` per cell (uint8).
    doubles: float64, one per DOUBLE. integers: int64, one per INT64. bools: one per BOOL.
    texts: one str per STRING. blobs: one bytes per BYTES.
    """

    columns: tuple[str, ...] = ()
    widths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    kinds: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    doubles: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))
    integers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    bools: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    texts: Sequence[str] = ()
    blobs: Sequence[bytes] = ()

    def __post_init__(self) -> None:
        if int(self.widths.sum()) != len(self.kinds):
            raise ValueError(
                f"a table's rows have {self.widths.sum()} cells, but there are {len(self.kinds)} kinds"
            )
        counts = np.bincount(self.kinds, minlength=len(CellKind)).tolist()
        contents = (None, self.doubles, self.integers, self.bools, self.texts, self.blobs)
        for kind, content in zip(CellKind, contents, strict=True):
            if content is not None and len(content) != counts[kind]:
                raise ValueError(
                    f"a table has {counts[kind]} cells of {kind.name}, but {len(content)} values for them"
                )
        if len(counts) > len(CellKind):
            raise ValueError(f"a table's cell has kind {len(counts) - 1}; expected one of {list(CellKind)}")

    @classmethod
    def of(cls, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> Table:
        """A table from rows of Python values; the type of a value decides the kind of its cell.

        An integer that does not fit in 64 bits becomes a DOUBLE. Raises ValueError for other types.
        """
        widths: list[int] = []
        kinds: list[CellKind] = []
        contents: dict[CellKind, list[Cell]] = {kind: [] for kind in CellKind}
        for row in rows:
            widths.append(len(row))
            for value in row:
                kind, content = _as_cell(value)
                kinds.append(kind)
                contents[kind].append(content)
        return cls(
            tuple(columns),
            np.array(widths, np.int64),
            np.array(kinds, np.uint8),
            np.array(contents[CellKind.DOUBLE], np.float64),
            np.array(contents[CellKind.INT64], np.int64),
            np.array(contents[CellKind.BOOL], np.bool_),
            [str(text) for text in contents[CellKind.STRING]],
            [blob for blob in contents[CellKind.BYTES] if isinstance(blob, bytes)],
        )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.widths)

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Rows of Python values, for display. Rows may differ in length."""
        cells = self._cells()
        for width in self.widths.tolist():
            yield tuple(next(cells) for _ in range(width))

    def _cells(self) -> Iterator[Cell]:
        contents: tuple[Iterator[Cell], ...] = (
            iter(()),
            iter(self.doubles.tolist()),
            iter(self.integers.tolist()),
            iter(self.bools.tolist()),
            iter(self.texts),
            iter(self.blobs),
        )
        for kind in self.kinds.tolist():
            yield next(contents[kind], None)


def _as_cell(value: object) -> tuple[CellKind, Cell]:
    match value:
        case None:
            return CellKind.NULL, None
        case bool() | np.bool_():
            return CellKind.BOOL, bool(value)
        case int() | np.integer():
            whole = int(value)
            return (CellKind.INT64, whole) if whole in _INT64 else (CellKind.DOUBLE, float(whole))
        case float() | np.floating():
            return CellKind.DOUBLE, float(value)
        case str():
            return CellKind.STRING, str(value)
        case bytes() | bytearray() | memoryview():
            return CellKind.BYTES, bytes(value)
        case _:
            raise ValueError(
                f"a cell cannot hold {type(value).__name__} {value!r}; expected a number, bool, str, bytes "
                "or None"
            )
