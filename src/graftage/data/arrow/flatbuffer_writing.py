"""Writing FlatBuffers: a tree of tables, vectors and texts, parents before children.

Source: google/flatbuffers, "FlatBuffer Internals": offsets between objects are unsigned, so children follow
their parents; every value lies at a multiple of its own size.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graftage.data.utf8 import encode_utf8

_ALIGNMENT: Final = 8
_OFFSET: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number of a table. layout: of `struct`, such as `<h`."""

    layout: str
    value: int


@dataclass(frozen=True, slots=True)
class Structs:
    """A vector of structs of 64 bits each part, as its bytes."""

    count: int
    content: bytes


@dataclass(frozen=True, slots=True)
class TableNode:
    """A table: its slots by number, those without a value left out."""

    slots: Mapping[int, Scalar | Node]


@dataclass(frozen=True, slots=True)
class Written:
    """A tree that is written already, once for all places where it stands. root: where it begins therein."""

    content: bytes
    root: int


Node = TableNode | Structs | Written | str | Sequence["Node"]


def written_once(tree: TableNode) -> Written:
    """Offsets are relative, so a tree is the same bytes wherever it stands."""
    out = bytearray()
    root = _append_table(out, tree)
    return Written(bytes(out), root)


def write_flatbuffer(root: TableNode) -> bytes:
    """The tree as a FlatBuffer, padded to a multiple of 8 bytes."""
    out = bytearray(_OFFSET.size)
    _refer(out, 0, root)
    _pad(out, _ALIGNMENT)
    return bytes(out)


def _refer(out: bytearray, place: int, node: Node) -> None:
    """Append a node, and write at `place` how far behind it begins."""
    match node:
        case TableNode():
            position = _append_table(out, node)
        case Written():
            _pad(out, _ALIGNMENT)
            position = len(out) + node.root
            out += node.content
        case Structs():
            _pad(out, _ALIGNMENT, ahead=_OFFSET.size)
            position = len(out)
            out += _OFFSET.pack(node.count) + node.content
        case str():
            _pad(out, _OFFSET.size)
            position = len(out)
            content = encode_utf8(node)
            out += _OFFSET.pack(len(content)) + content + b"\0"
        case _:
            _pad(out, _OFFSET.size)
            position = len(out)
            out += _OFFSET.pack(len(node)) + bytes(_OFFSET.size * len(node))
            for index, child in enumerate(node):
                _refer(out, position + _OFFSET.size * (1 + index), child)
    _OFFSET.pack_into(out, place, position - place)


def _append_table(out: bytearray, node: TableNode) -> int:
    """Append a table and all that it refers to; returns where the table itself begins."""
    offsets, size = _places(node)
    last = max(node.slots, default=-1)
    virtual = struct.pack(
        f"<{3 + last}H", 2 * (3 + last), size, *(offsets.get(i, 0) for i in range(last + 1))
    )
    _pad(out, _ALIGNMENT, ahead=len(virtual))
    out += virtual
    position = len(out)
    out += struct.pack("<i", len(virtual)) + bytes(size - 4)
    for slot, content in node.slots.items():
        if isinstance(content, Scalar):
            struct.pack_into(content.layout, out, position + offsets[slot], content.value)
        else:
            _refer(out, position + offsets[slot], content)
    return position


def _places(node: TableNode) -> tuple[dict[int, int], int]:
    """How far behind the table's begin each slot lies, and the table's size."""
    offsets, size = {}, 4
    for slot, content in node.slots.items():
        width = struct.calcsize(content.layout) if isinstance(content, Scalar) else _OFFSET.size
        size += -size % width
        offsets[slot] = size
        size += width
    return offsets, size


def _pad(out: bytearray, alignment: int, *, ahead: int = 0) -> None:
    """Zeros, so that what comes `ahead` bytes later is aligned."""
    out += bytes(-(len(out) + ahead) % alignment)
