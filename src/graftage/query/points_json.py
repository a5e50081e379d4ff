"""Points as JSON pairs `[value,timestamp]`, the bulk of an answer.

orjson writes whole arrays fast, but spells numbers its own way: `2.0` for 2 and `1e-7` for 0.0000001, where
an answer has neither `.0` nor exponents. So a chunk is written as a whole and then mended, and what orjson
would write with an exponent is written number by number, which is slow and rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]

# Points. Their text, about 140 KB, is memory that malloc has at hand; for more it asks the kernel each time.
_CHUNK: Final = 4096
_SMALL: Final = 512  # points that are written faster as a matrix than column by column
_EXACT: Final = 2**53  # integers up to here are doubles
# orjson writes an exponent below and from here. Source: ryu, `pretty`.
_TINY: Final = 1e-5
_HUGE: Final = 1e16


def write_points(times: Times, values: Values) -> Iterator[bytes]:
    """The pairs as chunks of text that belong one behind the other, without brackets around them all.

    A timestamp is written as the double nearest to it, as Grafana does. NaN and infinities become `null`.
    """
    for start in range(0, len(times), _CHUNK):
        if start:
            yield b","
        yield _write_chunk(times[start : start + _CHUNK], values[start : start + _CHUNK])


def plain_digits(number: float) -> bytes:
    """A finite number's shortest digits that read back as the same double, without an exponent or `.0`."""
    digits = format(Decimal(repr(number)), "f").encode()
    return digits.removesuffix(b".0")


def _write_chunk(times: Times, values: Values) -> bytes:
    width = _common_width(times) if len(times) > _SMALL else 0
    text = _write_columns(times, values, width) if width else _write_matrix(times, values)
    # Only an exponent has this letter; `null` has not.
    return text if b"e" not in text else b",".join(_write_around_exponents(times, values))


def _write_matrix(times: Times, values: Values) -> bytes:
    """Pairs of doubles."""
    pairs = np.empty((len(times), 2))
    pairs[:, 0] = values
    pairs[:, 1] = times
    text = orjson.dumps(pairs, option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].replace(b".0,", b",").replace(b".0]", b"]")


def _write_columns(times: Times, values: Values, width: int) -> bytes:
    """Pairs whose timestamps all have `width` characters: room is made behind each value, then filled."""
    stamps = orjson.dumps(times, option=orjson.OPT_SERIALIZE_NUMPY)
    numbers, ends = _write_values(values)
    room = b"," + b"0" * width + b"]"
    text = bytearray(numbers).replace(b",", room + b",[")
    text[-1:] = room
    places = ends + 1 + (width + 3) * np.arange(len(times))
    windows = np.ndarray((len(text) - width + 1,), f"V{width}", text, 0, (1,))
    windows[places] = np.ndarray((len(times),), f"V{width}", stamps, 1, (width + 1,))
    return bytes(text)


def _write_values(values: Values) -> tuple[bytes, NDArray[np.intp]]:
    """`[1.5,2,null]`, and where each number ends; not mended where there are exponents."""
    with np.errstate(invalid="ignore"):  # what no integer can hold becomes one that is not exact
        whole = values.astype(np.int64)
    are_whole = whole == values
    if are_whole.all() and _are_exact(whole) and not np.signbit(values[whole == 0]).any():
        text = orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)
        return text, _ends(text)
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    ends = _ends(text)
    if not are_whole.any() or b"e" in text:
        return text, ends
    # Looking for `.0` takes as long as writing all numbers, and where they are is known.
    stays = np.ones(len(text), np.bool_)
    stays[ends[are_whole] - 2] = False
    stays[ends[are_whole] - 1] = False
    ends -= 2 * np.cumsum(are_whole)
    return np.frombuffer(text, np.uint8)[stays].tobytes(), ends


def _ends(text: bytes) -> NDArray[np.intp]:
    """Where the comma or bracket behind each number stands."""
    return np.append(np.flatnonzero(np.frombuffer(text, np.uint8) == ord(",")), len(text) - 1)


def _write_around_exponents(times: Times, values: Values) -> Iterator[bytes]:
    """Pairs of which some hold a number that orjson writes with an exponent."""
    magnitudes = np.abs(values)
    tiny = (magnitudes < _TINY) & (magnitudes > 0)
    huge = (magnitudes >= _HUGE) & (magnitudes < np.inf) | (np.abs(times.astype(np.float64)) >= _HUGE)
    places = np.flatnonzero(tiny | huge).tolist()
    if not 0 < len(places) <= len(times) // 8:
        yield from map(_write_pair, times.tolist(), values.tolist())
        return
    start = 0
    for place in places:
        if place > start:
            yield _write_chunk(times[start:place], values[start:place])
        yield _write_pair(int(times[place]), float(values[place]))
        start = place + 1
    if start < len(times):
        yield _write_chunk(times[start:], values[start:])


def _write_pair(time: int, value: float) -> bytes:
    digits = plain_digits(value) if isfinite(value) else b"null"
    return b"[%b,%b]" % (digits, plain_digits(float(time)))


def _common_width(times: Times) -> int:
    """How many characters each timestamp takes; 0 if they differ, or if one is no exact double."""
    if not _are_exact(times):
        return 0
    low, high = int(times.min()), int(times.max())
    width = len(str(low))
    return width if width == len(str(high)) and (low < 0) == (high < 0) else 0


def _are_exact(integers: Times) -> bool:
    return bool(integers.min() >= -_EXACT and integers.max() <= _EXACT)
