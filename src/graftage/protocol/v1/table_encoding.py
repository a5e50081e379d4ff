"""A `models.Table`, from cells to protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from graftage.data.table import Table
from graftage.protocol.wire import write_bytes, write_text, write_varint


def write_table(table: Table) -> list[bytes]:
    """The message, without a tag or length of its own, in pieces that belong one behind the other."""
    cells = _cells(table)
    rows = [write_bytes(2, b"".join(islice(cells, width))) for width in table.widths.tolist()]
    return [*[write_bytes(1, write_text(1, name)) for name in table.columns], *rows]


def _cells(table: Table) -> Iterator[bytes]:
    """Each cell as a field of its row, in reading order."""
    contents: tuple[Iterator[bytes], ...] = (
        iter(()),
        map(_double, table.doubles.astype("<f8").view("V8").tolist()),
        map(_integer, table.integers.tolist()),
        iter(
            [b"\x0a\x04\x08\x03\x20\x01" if value else b"\x0a\x02\x08\x03" for value in table.bools.tolist()]
        ),
        (write_bytes(1, b"\x08\x04" + write_text(5, text)) for text in table.texts),
        (write_bytes(1, b"\x08\x05" + (write_bytes(6, blob) if blob else b"")) for blob in table.blobs),
    )
    return (next(contents[kind], b"\x0a\x00") for kind in table.kinds.tolist())


def _double(value: bytes) -> bytes:
    return b"\x0a\x0b\x08\x01\x11" + value if any(value) else b"\x0a\x02\x08\x01"


def _integer(value: int) -> bytes:
    return write_bytes(1, b"\x08\x02\x18" + write_varint(value % 2**64)) if value else b"\x0a\x02\x08\x02"
