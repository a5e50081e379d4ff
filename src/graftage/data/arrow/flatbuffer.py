"""Reading FlatBuffers that another process wrote: no offset is followed before it is checked.

Offsets may share what they point to, so a few bytes can describe endless work. Whatever is looked at is
therefore paid for from a budget that grows with the buffer.

Source: google/flatbuffers, "FlatBuffer Internals".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from graftage.data.utf8 import decode_utf8
from graftage.errors import WireError

_UOFFSET: Final = struct.Struct("<I")
_SOFFSET: Final = struct.Struct("<i")
_VOFFSET: Final = struct.Struct("<H")
# Real writers share next to nothing; twice the buffer's size is room enough for them.
_SHARING: Final = 2
_FREE_BYTES: Final = 4096
_LONGEST_VIRTUAL_TABLE: Final = 32  # bytes; 14 slots, twice as many as Arrow has
_TABLE_COST: Final = 32  # what even a small table takes together with its offset and its virtual table


@dataclass(slots=True)
class FlatBuffer:
    """The bytes of one FlatBuffer. name: what it is, for errors."""

    data: memoryview
    name: str
    budget: int = field(init=False)

    def __post_init__(self) -> None:
        self.budget = _SHARING * len(self.data) + _FREE_BYTES

    def root(self) -> Table:
        return self.table_at(self.target(0))

    def read(self, layout: struct.Struct, position: int) -> tuple[int, ...]:
        self.check(position, layout.size)
        return layout.unpack_from(self.data, position)

    def target(self, position: int) -> int:
        """Where the offset at a position points to."""
        return position + self.read(_UOFFSET, position)[0]

    def table_at(self, position: int) -> Table:
        self.pay(_TABLE_COST)
        virtual = position - self.read(_SOFFSET, position)[0]
        size = min(self.read(_VOFFSET, virtual)[0], _LONGEST_VIRTUAL_TABLE)
        self.check(virtual, size)
        slots = struct.unpack_from(f"<{size // 2}H", self.data, virtual)[2:]
        return Table(self, position, slots)

    def vector_at(self, position: int, element_size: int) -> tuple[int, int]:
        """Where the elements of a vector start, and how many there are."""
        count = self.read(_UOFFSET, position)[0]
        self.check(position + _UOFFSET.size, count * element_size)
        self.pay(count * element_size)
        return position + _UOFFSET.size, count

    def check(self, position: int, size: int) -> None:
        if position < 0 or position + size > len(self.data):
            raise WireError(
                f"{self.name} points to {size} bytes at {position}, but has {len(self.data)}; the file is "
                "damaged or no Arrow file"
            )

    def pay(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            raise WireError(
                f"{self.name} of {len(self.data)} bytes points to the same places again and again; the "
                "file is damaged or meant to do harm"
            )


@dataclass(frozen=True, slots=True)
class Table:
    """One table: where it starts, and for each slot how far behind that its value is, 0 if it has none."""

    buffer: FlatBuffer
    position: int
    slots: tuple[int, ...]

    def integer(self, slot: int, layout: struct.Struct, default: int = 0) -> int:
        position = self._position(slot)
        return default if position is None else self.buffer.read(layout, position)[0]

    def text(self, slot: int) -> str:
        """The text in a slot, empty if there is none; what is no UTF-8 in it becomes U+FFFD."""
        position = self._position(slot)
        if position is None:
            return ""
        start, size = self.buffer.vector_at(self.buffer.target(position), 1)
        return decode_utf8(bytes(self.buffer.data[start : start + size]))

    def table(self, slot: int) -> Table | None:
        position = self._position(slot)
        return None if position is None else self.buffer.table_at(self.buffer.target(position))

    def tables(self, slot: int) -> list[Table]:
        position = self._position(slot)
        if position is None:
            return []
        start, count = self.buffer.vector_at(self.buffer.target(position), _UOFFSET.size)
        places = range(start, start + count * _UOFFSET.size, _UOFFSET.size)
        return [self.buffer.table_at(self.buffer.target(place)) for place in places]

    def structs(self, slot: int, layout: struct.Struct) -> list[tuple[int, ...]]:
        position = self._position(slot)
        if position is None:
            return []
        start, count = self.buffer.vector_at(self.buffer.target(position), layout.size)
        return list(layout.iter_unpack(self.buffer.data[start : start + count * layout.size]))

    def _position(self, slot: int) -> int | None:
        distance = self.slots[slot] if slot < len(self.slots) else 0
        return self.position + distance if distance else None
