"""Of nanoarrow's classes, which carry no types, what is used here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ArrowSchema(Protocol):
    """The type of a column, or of a table, whose columns are its children."""

    format: str
    name: str
    flags: int
    n_children: int
    metadata: Mapping[bytes, bytes] | None
    dictionary: ArrowSchema | None

    def child(self, index: int) -> ArrowSchema: ...


class ArrowType(Protocol):
    """A schema's format in words and numbers."""

    type: str
    storage_type: str
    extension_name: str | None
    time_unit: str
    decimal_bitwidth: int
    decimal_scale: int
    fixed_size: int


class ArrowArray(Protocol):
    """One batch of a column. `buffers` are addresses, 0 for none; they live as long as the array."""

    buffers: tuple[int, ...]
    offset: int
    length: int
    null_count: int
    schema: ArrowSchema
    dictionary: ArrowArray

    def child(self, index: int) -> ArrowArray: ...
