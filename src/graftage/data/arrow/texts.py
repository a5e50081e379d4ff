"""Columns of text: offsets and bytes, or views, as arrays of str and back.

A Python string takes far more than its bytes on the wire, so offsets are never all turned into Python
integers at once.

Source: Apache Arrow, "Arrow Columnar Format", variable-size binary layouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.utf8 import decode_utf8, encode_utf8

Texts = NDArray[np.object_]

_CHUNK_ROWS: Final = 32768
_SEPARATOR: Final = "\0"
_VIEW: Final = np.dtype([("size", "<i4"), ("prefix", "<u4"), ("buffer", "<i4"), ("offset", "<i4")])
_INLINE: Final = 12  # longer texts lie in a buffer
_INLINE_OFFSET: Final = 4
# Views may share bytes: one of 16 bytes can stand for a whole buffer. Real ones share little.
_SHARING: Final = 4


def texts_at(offsets: NDArray[np.int32], content: memoryview) -> Texts:
    """The texts between one offset and the next. Raises ValueError if the offsets lie outside the content."""
    if len(offsets) and (offsets[0] < 0 or offsets[-1] > len(content) or (np.diff(offsets) < 0).any()):
        raise ValueError(f"its offsets do not ascend from 0 to at most {len(content)}")
    texts = np.empty(max(len(offsets) - 1, 0), object)
    for start in range(0, len(texts), _CHUNK_ROWS):
        part = offsets[start : start + _CHUNK_ROWS + 1].astype(np.intp)
        texts[start : start + _CHUNK_ROWS] = _texts(part - part[0], bytes(content[part[0] : part[-1]]))
    return texts


def _texts(offsets: NDArray[np.intp], content: bytes) -> list[str]:
    """Decoded all at once and split at separators put in between: twice as fast as a slice for each."""
    rows = len(offsets) - 1
    separated = np.zeros(len(content) + rows, np.uint8)
    are_content = np.ones(len(separated), np.bool_)
    are_content[offsets[1:] + np.arange(rows)] = False
    separated[are_content] = np.frombuffer(content, np.uint8)
    try:
        texts = separated.tobytes().decode().split(_SEPARATOR)
    except UnicodeDecodeError:
        texts = []
    if len(texts) == rows + 1:  # the last one is what follows the last separator: nothing
        return texts[:-1]
    # There is a separator in a text, or a text that is no UTF-8 of its own.
    return [decode_utf8(content[start:end]) for start, end in pairwise(offsets.tolist())]


def texts_of_views(views: memoryview, rows: int, contents: Sequence[memoryview]) -> Texts:
    """The texts that views stand for. Raises ValueError if one lies outside its buffer."""
    table = np.frombuffer(views, _VIEW, rows)
    _check_views(table, [len(content) for content in contents])
    texts = np.empty(rows, object)
    for start in range(0, rows, _CHUNK_ROWS):
        part = table[start : start + _CHUNK_ROWS]
        texts[start : start + _CHUNK_ROWS] = list(_texts_of_views(part, views, start, contents))
    return texts


def _check_views(table: NDArray[Any], sizes: list[int]) -> None:
    if (table["size"] < 0).any():
        raise ValueError("one of its texts has a negative size")
    outside = table[table["size"] > _INLINE]
    buffers, offsets, ends = (
        outside["buffer"],
        outside["offset"],
        outside["offset"] + outside["size"].astype("i8"),
    )
    if not len(outside):
        return
    if (buffers < 0).any() or (buffers >= len(sizes)).any():
        raise ValueError(f"one of its texts lies in a buffer that is not there; it has {len(sizes)}")
    if (offsets < 0).any() or (ends > np.array(sizes)[buffers]).any():
        raise ValueError("one of its texts lies outside its buffer")
    if int(outside["size"].sum(dtype=np.int64)) > _SHARING * (sum(sizes) + table.nbytes):
        raise ValueError(f"its texts share the same bytes more than {_SHARING} times over")


def _texts_of_views(
    part: NDArray[Any], views: memoryview, start: int, contents: Sequence[memoryview]
) -> Iterator[str]:
    columns = (part["size"].tolist(), part["buffer"].tolist(), part["offset"].tolist())
    for row, (size, buffer, offset) in enumerate(zip(*columns, strict=True), start):
        if size <= _INLINE:
            inline = row * _VIEW.itemsize + _INLINE_OFFSET
            yield decode_utf8(bytes(views[inline : inline + size]))
        else:
            yield decode_utf8(bytes(contents[buffer][offset : offset + size]))


def bytes_of_texts(texts: Sequence[str], limit: int) -> tuple[NDArray[np.int32], bytes]:
    """Offsets, one more than texts, and all bytes. Raises OverflowError beyond `limit` bytes."""
    lengths = list(map(len, texts))
    _refuse_beyond(limit, sum(lengths))  # before the text exists a second time
    whole = "".join(texts)
    if whole.isascii():
        return _offsets(lengths), whole.encode("ascii")
    encoded = list(map(encode_utf8, texts))
    lengths = list(map(len, encoded))
    _refuse_beyond(limit, sum(lengths))
    return _offsets(lengths), b"".join(encoded)


def _refuse_beyond(limit: int, size: int) -> None:
    if size > limit:
        raise OverflowError(size)


def _offsets(lengths: list[int]) -> NDArray[np.int32]:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
