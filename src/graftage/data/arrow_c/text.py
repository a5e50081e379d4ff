"""Columns of text, and of bytes that are text, in each of Arrow's layouts.

A text is cut from one string that has a character for each byte of memory (Latin-1): that takes about half as
long as decoding each text by itself. Only texts beyond ASCII are then decoded.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from graftage.data.arrow_c.chunk import DATA, VALUES, Chunk, memory_at

_VIEW_SIZE: Final = 16
_LONGEST_INLINE: Final = 12  # a view holds texts up to this length itself, from its fifth byte on
_LENGTH, _BUFFER, _OFFSET = 0, 2, 3  # of the four integers of a view; the second repeats a text's first bytes


def texts_by_offsets(chunk: Chunk, offsets: DTypeLike) -> NDArray[Any]:
    """Utf8 and Binary, with 32-bit or 64-bit offsets."""
    bounds = chunk.rows(VALUES, offsets, more=1).astype(np.int64)
    first, last = int(bounds[0]), int(bounds[-1])
    memory = memory_at(chunk.array.buffers[DATA] + first, np.uint8, last - first)
    bounds -= first
    return _cut(memory.tobytes(), bounds[:-1], bounds[1:])


def texts_by_size(chunk: Chunk, size: int) -> NDArray[Any]:
    """FixedSizeBinary."""
    starts = np.arange(chunk.length) * size
    return _cut(chunk.rows(VALUES, f"V{size}").tobytes() if size else b"", starts, starts + size)


def texts_by_views(chunk: Chunk) -> NDArray[Any]:
    """Utf8View and BinaryView: short texts in the views themselves, long ones in any of further buffers."""
    views = chunk.rows(VALUES, f"V{_VIEW_SIZE}").view(np.int32).reshape(-1, 4)
    valid = chunk.valid()
    lengths = views[:, _LENGTH].astype(np.int64)
    if valid is not None:
        lengths[~valid] = 0
    starts = np.arange(chunk.length) * _VIEW_SIZE + 4
    memory = [views.tobytes()]
    long = np.flatnonzero(lengths > _LONGEST_INLINE)
    if long.size:
        buffers, offsets = views[long, _BUFFER], views[long, _OFFSET].astype(np.int64)
        parts, places = _used_parts(chunk, buffers, offsets, offsets + lengths[long])
        starts[long] = offsets + places[buffers] + len(memory[0])
        memory += parts
    return _cut(b"".join(memory), starts, starts + lengths)


def _used_parts(
    chunk: Chunk, buffers: NDArray[np.int32], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[list[bytes], NDArray[np.int64]]:
    """The part of each further buffer that is used, and what to add to an offset to find it in their sum.

    A slice shares the buffers of the whole, which may be a thousand times as large.
    """
    addresses = chunk.array.buffers[2:-1]
    low = np.full(len(addresses), np.iinfo(np.int64).max)
    high = np.zeros(len(addresses), np.int64)
    np.minimum.at(low, buffers, starts)
    np.maximum.at(high, buffers, stops)
    low = np.minimum(low, high)
    sizes = high - low
    parts = [
        memory_at(address + int(first), np.uint8, int(size)).tobytes()
        for address, first, size in zip(addresses, low, sizes, strict=True)
    ]
    return parts, np.cumsum(sizes) - sizes - low


def _cut(memory: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[Any]:
    text = memory.decode("latin-1")
    pieces = [text[start:stop] for start, stop in zip(starts.data, stops.data, strict=True)]
    if not text.isascii():
        pieces = [piece if piece.isascii() else piece.encode("latin-1").decode() for piece in pieces]
    return np.fromiter(pieces, object, len(pieces))
