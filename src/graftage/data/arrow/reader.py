"""Arrow files as frames: everything that Grafana's own reader takes, and nothing that lies about its size.

Source: apache/arrow, format/File.fbs and "Arrow Columnar Format", IPC file format;
grafana-plugin-sdk-go, data/arrow.go `UnmarshalArrowFrame`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.arrow.batch import Values, read_batch
from graftage.data.arrow.compression import Allowance
from graftage.data.arrow.flatbuffer import FlatBuffer, Table
from graftage.data.arrow.layout import (
    BLOCK,
    CONTINUATION,
    INT16,
    INT32,
    MAGIC,
    RECORD_BATCH,
    UINT8,
    V4,
    V5,
    FooterSlot,
    MessageSlot,
)
from graftage.data.arrow.schema import Column, Schema, read_schema
from graftage.data.frame import Field, Frame
from graftage.errors import WireError

_END: Final = INT32.size + len(MAGIC)  # behind the footer


def read_arrow(data: bytes, allowance: Allowance | None = None) -> Frame:
    """The frame in an Arrow file. Numbers and times are read-only views of `data` if it has one batch.

    Several batches become one column; none is no rows. Timestamps of any unit count as nanoseconds. A null in
    a field that is not nullable becomes the zero of its type. allowance: what compressed buffers may unpack
    to, for files that share it; otherwise the file has one of its own. Raises WireError.
    """
    file = memoryview(data).toreadonly()
    footer = _footer(file)
    schema_table = footer.table(FooterSlot.SCHEMA)
    if schema_table is None:
        raise WireError("the Arrow file's footer has no schema")
    schema = read_schema(schema_table)
    allowance = allowance or Allowance(len(file))
    batches = [
        read_batch(*_record_batch(file, block), schema.columns, allowance)
        for block in _blocks(footer, len(file))
    ]
    return _frame(schema, batches)


def _footer(file: memoryview) -> Table:
    if bytes(file[: len(MAGIC)]) != MAGIC or bytes(file[-len(MAGIC) :]) != MAGIC:
        raise WireError(
            f"{len(file)} bytes are not an Arrow file: they do not begin and end with {MAGIC.decode()}; the "
            "format for streams is not read"
        )
    (size,) = INT32.unpack_from(file, max(len(file) - _END, 0))
    if not 0 < size <= len(file) - _END - len(MAGIC):
        raise WireError(f"the Arrow file's footer has {size} bytes, but the file has only {len(file)}")
    return FlatBuffer(file[-_END - size : -_END], "the Arrow file's footer").root()


def _blocks(footer: Table, file_size: int) -> list[tuple[int, ...]]:
    """Where each record batch is, how long its metadata, and how long its body."""
    blocks = footer.structs(FooterSlot.RECORD_BATCHES, BLOCK)
    for offset, metadata, body in blocks:
        if min(offset, metadata, body) < 0 or offset + metadata + body > file_size:
            raise WireError(
                f"a record batch lies at {offset} with {metadata} + {body} bytes, but the Arrow file has "
                f"only {file_size}"
            )
    if sum(metadata + body for _, metadata, body in blocks) > file_size:
        raise WireError("the Arrow file has record batches that lie over one another; it is damaged")
    return blocks


def _record_batch(file: memoryview, block: tuple[int, ...]) -> tuple[Table, memoryview]:
    """The header of a batch and its body."""
    offset, metadata, body = block
    message = file[offset : offset + metadata]
    prefix = INT32.size  # files of before 2019 have the length only
    if bytes(message[: len(CONTINUATION)]) == CONTINUATION:
        prefix += len(CONTINUATION)
    table = FlatBuffer(message[prefix:], "a record batch").root()
    version = table.integer(MessageSlot.VERSION, INT16)
    if version not in (V4, V5):
        raise WireError(f"the Arrow file has messages of version {version + 1}; expected 4 or 5")
    header = table.table(MessageSlot.HEADER)
    if table.integer(MessageSlot.HEADER_TYPE, UINT8) != RECORD_BATCH or header is None:
        raise WireError("the Arrow file has another message where its footer names a record batch")
    return header, file[offset + metadata : offset + metadata + body]


def _frame(schema: Schema, batches: Sequence[tuple[Values, ...]]) -> Frame:
    fields = tuple(
        _field(column, [batch[index] for batch in batches]) for index, column in enumerate(schema.columns)
    )
    return Frame(fields, schema.name, schema.ref_id, schema.meta)


def _field(column: Column, parts: Sequence[Values]) -> Field:
    values, valid = _joined(column, parts)
    return Field(column.name, column.type, values, valid, column.labels, column.config, column.nullable)


def _joined(column: Column, parts: Sequence[Values]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    match parts:
        case []:
            return np.empty(0, column.type.dtype), None
        case [part]:
            return part.values, part.valid
    if all(part.valid is None for part in parts):
        return np.concatenate([part.values for part in parts]), None
    valid = [np.ones(len(part.values), np.bool_) if part.valid is None else part.valid for part in parts]
    return np.concatenate([part.values for part in parts]), np.concatenate(valid)
