"""A table as protocol version 1 knows it: every cell has a kind of its own, rows may differ in length."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Named columns of cells."""

    columns: tuple[str, ...] = ()
