"""One record batch of an Arrow file as columns of values.

Source: apache/arrow, format/Message.fbs, and "Arrow Columnar Format", buffer layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.arrow.compression import Allowance, decompressor
from graftage.data.arrow.flatbuffer import Table
from graftage.data.arrow.layout import BUFFER, INT8, INT64, NODE, BatchSlot
from graftage.data.arrow.schema import Column, Storage
from graftage.data.arrow.texts import texts_at, texts_of_views
from graftage.errors import WireError

_OFFSET_SIZE: Final = 4
_VIEW_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one column, and where they are present; None: everywhere."""

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None


def read_batch(
    header: Table, body: memoryview, columns: tuple[Column, ...], allowance: Allowance
) -> tuple[Values, ...]:
    """The columns of a batch; numbers and times are views of the body. Raises WireError naming the field."""
    rows = header.integer(BatchSlot.LENGTH, INT64)
    nodes = header.structs(BatchSlot.NODES, NODE)
    if rows < 0 or len(nodes) != len(columns):
        raise WireError(
            f"a record batch has {rows} rows and {len(nodes)} columns where the schema has {len(columns)}"
        )
    buffers = _buffers(header, body, allowance)
    views = iter(count for (count,) in header.structs(BatchSlot.VARIADIC_COUNTS, INT64))
    # A bit of a bitmap becomes a byte here, and six in JSON; and bitmaps can unpack from next to nothing.
    spend = allowance.take if header.table(BatchSlot.COMPRESSION) is not None else _nothing
    return tuple(
        _read_column(column, node, rows, buffers, views, spend)
        for column, node in zip(columns, nodes, strict=True)
    )


def _nothing(_: int) -> None:
    """Buffers that are not compressed take room in the file, which limits them."""


def _buffers(header: Table, body: memoryview, allowance: Allowance) -> Iterator[memoryview]:
    """The buffers in their order, unpacked when they are asked for."""
    places = header.structs(BatchSlot.BUFFERS, BUFFER)
    for offset, size in places:
        if offset < 0 or size < 0 or offset + size > len(body):
            raise WireError(
                f"a record batch has a buffer of {size} bytes at {offset}, but only {len(body)} bytes"
            )
    if sum(size for _, size in places) > len(body):
        raise WireError("a record batch has buffers that lie over one another; the file is damaged")
    buffers = (body[offset : offset + size] for offset, size in places)
    compression = header.table(BatchSlot.COMPRESSION)
    if compression is None:
        return buffers
    return map(decompressor(compression.integer(0, INT8), allowance), buffers)


def _read_column(
    column: Column,
    node: tuple[int, ...],
    rows: int,
    buffers: Iterator[memoryview],
    views: Iterator[int],
    spend: Callable[[int], None],
) -> Values:
    length, nulls = node
    if length != rows:
        raise _damaged(column, f"it has {length} values in a batch of {rows} rows")
    try:
        spend(rows)
        bitmap = next(buffers)
        valid = _bits(bitmap, rows) if nulls and len(bitmap) else None
        values = _read_values(column, rows, buffers, views)
    except (ValueError, StopIteration) as error:
        raise _damaged(column, str(error) or "it has fewer buffers than its type needs") from error
    if valid is None or valid.all():
        return Values(values, None)
    if not column.nullable:
        # Grafana reads what lies under the nulls, which writers leave zero; so nothing is missing.
        zero = "" if values.dtype == object else np.zeros((), values.dtype)
        return Values(np.where(valid, values, zero), None)
    return Values(values, valid)


def _read_values(
    column: Column, rows: int, buffers: Iterator[memoryview], views: Iterator[int]
) -> NDArray[Any]:
    match column.storage:
        case Storage.FIXED:
            dtype = column.type.dtype
            return np.frombuffer(_enough(next(buffers), rows * dtype.itemsize), dtype, rows)
        case Storage.BITS:
            return _bits(next(buffers), rows)
        case Storage.TEXT:
            offsets, content = next(buffers), next(buffers)
            count = rows + 1 if rows else 0  # without rows the offsets may be missing altogether
            return texts_at(np.frombuffer(_enough(offsets, count * _OFFSET_SIZE), "<i4", count), content)
        case Storage.VIEWS:
            table = _enough(next(buffers), rows * _VIEW_SIZE)
            return texts_of_views(table, rows, [next(buffers) for _ in range(next(views))])


def _bits(buffer: memoryview, rows: int) -> NDArray[np.bool_]:
    """The first bits of a bitmap, the least significant of each byte first."""
    packed = np.frombuffer(_enough(buffer, -(-rows // 8)), np.uint8)
    return np.unpackbits(packed, count=rows, bitorder="little").view(np.bool_)


def _enough(buffer: memoryview, size: int) -> memoryview:
    if len(buffer) < size:
        raise ValueError(f"it has a buffer of {len(buffer)} bytes where its rows need {size}")
    return buffer[:size]


def _damaged(column: Column, complaint: str) -> WireError:
    return WireError(f"field {column.name!r}: {complaint}; the Arrow file is damaged")
