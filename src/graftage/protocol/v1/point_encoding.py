"""The points of a series, from arrays to protobuf: a million of them in about the time protobuf takes.

How a point looks is told in `point_decoding`. Here each is first laid out in a row of bytes, with room for
the longest timestamp of its chunk and for a value. Where every point fills its row the rows are the message;
elsewhere what the points leave out is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.protocol.v1.point_columns import Times, Values
from graftage.protocol.v1.timestamps import IN_A_WORD, LONGEST, Octets, Words, open_gaps

_CHUNK: Final = 8192  # points; their rows stay in the processor's cache
_TIME_AT: Final = 3  # in a row: behind tag, length and the timestamp's own tag
_VALUE_ROOM: Final = 9  # bytes: a tag and a double
_HAS_VALUE: Final = 0x10  # of a point, beside the bytes of its timestamp


def write_points(times: Times, values: Values) -> Iterator[bytes]:
    """The points as fields of their series, in chunks that belong one behind the other."""
    for start in range(0, len(times), _CHUNK):
        words = np.ascontiguousarray(times[start : start + _CHUNK], "<i8").view(np.uint64)
        doubles = np.ascontiguousarray(values[start : start + _CHUNK], "<f8")
        has_value = doubles.view(np.uint64) != 0  # -0.0 is written: only what is all zero bits is left out
        shortest, longest = _varint_bytes(int(words.min())), _varint_bytes(int(words.max()))
        values_given = int(np.count_nonzero(has_value))
        if shortest == longest and values_given in (0, len(words)):
            pattern = _pattern(longest, alike=True, has_value=values_given > 0)
            rows = _rows(words, doubles, longest, pattern)
            yield bytes(rows) if values_given else _without_values(rows, len(words))
        else:
            pattern = _pattern(longest, alike=False, has_value=True)
            kinds = _time_bytes(words, shortest, longest)
            kinds[has_value] |= _HAS_VALUE
            yield _without_gaps(_rows(words, doubles, longest, pattern), kinds, longest)


def _varint_bytes(number: int) -> int:
    """The bytes of a timestamp's varint; 0 for 0, which is left out."""
    return (number.bit_length() + 6) // 7


def _time_bytes(words: Words, shortest: int, longest: int) -> Octets:
    """`_varint_bytes` of each word, which all lie between `shortest` and `longest`."""
    sizes = np.full(len(words), shortest, np.uint8)
    for size in range(shortest, longest):
        sizes += words >= np.uint64(1 << 7 * size if size else 1)
    return sizes


@cache
def _pattern(time_bytes: int, *, alike: bool, has_value: bool) -> bytes:
    """A row whose numbers are all zero, complete for points that are alike, with room for a value anyhow."""
    time = bytes([0x08, *[0x80 if alike else 0] * (time_bytes - 1), 0][: 1 + time_bytes])
    if alike and not time_bytes:
        time = b""
    length = len(time) + (_VALUE_ROOM if has_value else 0)
    return bytes([0x1A, length]) + time + b"\x11" + bytes(_VALUE_ROOM - 1)


def _rows(words: Words, values: Values, time_bytes: int, pattern: bytes) -> bytearray:
    """The pattern once for each point, filled in."""
    stride = len(pattern)
    strides = (stride,)
    rows = bytearray(pattern * len(words))
    if time_bytes:
        # Eight bytes fit into any row, which has room for a value; those behind the timestamp stay.
        window: Words = np.ndarray((len(words),), "<u8", rows, _TIME_AT, strides)
        window |= open_gaps(words)
    for index in range(IN_A_WORD, time_bytes):
        octets: Octets = np.ndarray((len(words),), np.uint8, rows, _TIME_AT + index, strides)
        octets |= (words >> np.uint64(7 * index)).astype(np.uint8) & np.uint8(0x7F)
    np.ndarray((len(words),), "<f8", rows, stride - _VALUE_ROOM + 1, strides)[:] = values
    return rows


def _without_values(rows: bytearray, count: int) -> bytes:
    """The rows up to where their values would begin."""
    stride = len(rows) // count
    return np.ndarray((count,), f"V{stride - _VALUE_ROOM}", rows, 0, (stride,)).tobytes()


def _without_gaps(rows: bytearray, kinds: Octets, time_bytes: int) -> bytes:
    """The rows without what their points leave out, and with the lengths that these have then."""
    strides = (len(rows) // len(kinds),)
    lengths: Octets = np.ndarray((len(kinds),), np.uint8, rows, 1, strides)
    lengths[:] = _LENGTHS.take(kinds)
    if time_bytes > 1:
        window: Words = np.ndarray((len(kinds),), "<u8", rows, _TIME_AT, strides)
        window |= _CONTINUATIONS.take(kinds)
    if time_bytes == LONGEST:
        ninth: Octets = np.ndarray((len(kinds),), np.uint8, rows, _TIME_AT + IN_A_WORD, strides)
        ninth |= _NINTH_CONTINUATIONS.take(kinds)
    kept = _kept(time_bytes).take(kinds).view(np.bool_)
    return np.frombuffer(rows, np.uint8)[kept].tobytes()


@cache
def _kept(time_bytes: int) -> NDArray[Any]:
    """By kind: which bytes of a row belong to the point. A row is one element, of as many bytes."""
    kept = np.ones((2 * _HAS_VALUE, _TIME_AT + time_bytes + _VALUE_ROOM), np.bool_)
    for kind, row in enumerate(kept):
        size = kind % _HAS_VALUE
        row[_TIME_AT - 1] = size > 0
        row[_TIME_AT + size : -_VALUE_ROOM] = False
        row[-_VALUE_ROOM:] = kind >= _HAS_VALUE
    return kept.view(f"V{kept.shape[1]}").reshape(-1)


def _by_kind(number_of: Callable[[int, bool], int], dtype: type) -> NDArray[Any]:
    return np.array(
        [number_of(kind % _HAS_VALUE, kind >= _HAS_VALUE) for kind in range(2 * _HAS_VALUE)], dtype
    )


_LENGTHS: Final = _by_kind(
    lambda size, value: (1 + size if size else 0) + (_VALUE_ROOM if value else 0), np.uint8
)
_CONTINUATIONS: Final = _by_kind(
    lambda size, _: int.from_bytes(b"\x80" * min(max(size - 1, 0), IN_A_WORD), "little"), np.uint64
)
_NINTH_CONTINUATIONS: Final = _by_kind(lambda size, _: 0x80 if size == LONGEST else 0, np.uint8)
