"""Arrays of numbers as JSON, spelled as Go spells them.

orjson writes whole arrays fast, but 2 as `2.0`, and with an exponent from 1e16 on where Go starts at 1e21. So
an array is written as a whole and then mended; what it takes to mend is first asked of the array, because
looking through a long text in vain would take as long as writing it.

Source: Go, encoding/json, `encode.go` (`floatEncoder`); json-iterator/go, `stream_float.go`, does the same at
the commit that Grafana builds with, while its release 1.1.12 still writes `1e-07` for `1e-7`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

# Go writes an exponent below and from here.
_TINY: Final = 1e-6
_HUGE: Final = 1e21
# orjson writes one below 1e-5 already, so that all small numbers to mend have this before their digits.
_SMALL: Final = b"0.00000"


def write_integers(values: NDArray[Any]) -> bytes:
    """`[1,2,3]`, of an array of any integer type, or of bools: `[true,false]`."""
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)


def write_floats(values: NDArray[Any]) -> bytes:
    """`[1.5,2,null,1e+21]`, of float64 or float32: the shortest digits that read back as the same number.

    NaN and infinities become `null`; zero keeps its sign.
    """
    with np.errstate(invalid="ignore"):  # what no integer can hold becomes one that is not exact
        whole = values.astype(np.int64)
    are_whole = whole == values
    if are_whole.all() and _are_exact(whole, values.dtype) and not np.signbit(values[whole == 0]).any():
        return write_integers(whole)
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    if are_whole.any():
        text = text.replace(b".0,", b",")
        if text.endswith(b".0]"):
            text = text[:-3] + b"]"
    return _with_exponents_of_go(text, values) if b"e" in text else text


def with_nulls(text: bytes, valid: NDArray[np.bool_]) -> bytes:
    """A written array with `null` for each element that is not valid."""
    elements = text[1:-1].split(b",")
    for place in np.flatnonzero(~valid).tolist():
        elements[place] = b"null"
    return b"[%b]" % b",".join(elements)


def _are_exact(integers: NDArray[np.int64], dtype: np.dtype[Any]) -> bool:
    """Does the floating point type hold each integer around these? Then their own digits are the shortest."""
    limit = 2 ** (np.finfo(dtype).nmant + 1)
    return not len(integers) or bool(integers.min() >= -limit and integers.max() <= limit)


def _with_exponents_of_go(text: bytes, values: NDArray[Any]) -> bytes:
    """`1e+21` for `1e21`, and plain digits where Go has no exponent yet."""
    magnitudes = np.abs(values)
    plain = (magnitudes >= _TINY) & (magnitudes < _HUGE)
    if plain.any():
        text = _without_exponents(text, plain)
    # orjson's own spelling of a positive exponent differs from release to release.
    return text.replace(b"e", b"e+").replace(b"e++", b"e+").replace(b"e+-", b"e-")


def _without_exponents(text: bytes, chosen: NDArray[np.bool_]) -> bytes:
    """A written array in which the chosen elements have no exponent: `1.5e17` and `1.5e-6` in plain digits.

    It says of each character how often it stays: not at all, as points and exponents do, or many times, as
    the `e`, now a zero, in place of which zeros fill up a large number.
    """
    characters = np.frombuffer(bytearray(text), np.uint8)
    commas = np.flatnonzero(characters == ord(","))
    marks = np.flatnonzero(characters == ord("e"))
    marks = marks[chosen[np.searchsorted(commas, marks)]]
    elements = np.searchsorted(commas, marks)
    starts = np.append(0, commas)[elements] + 1
    ends = np.append(commas, len(text) - 1)[elements]
    firsts = starts + (characters[starts] == ord("-"))
    pointed = characters[firsts + 1] == ord(".")
    small = characters[marks + 1] == ord("-")

    counts = np.ones(len(characters), np.intp)
    counts[firsts[pointed] + 1] = 0
    for distance in (1, 2, 3):  # `-6`, `17`, `+17`
        counts[marks[marks + distance < ends] + distance] = 0
    power = 10 * (characters[ends - 2].astype(np.intp) - ord("0")) + characters[ends - 1] - ord("0")
    counts[marks] = np.where(small, 0, power + 1 - (marks - firsts - pointed))
    characters[marks] = ord("0")
    counts[firsts[small]] += len(_SMALL)
    plain = np.repeat(characters, counts)
    places = np.cumsum(counts)[firsts[small]] - len(_SMALL) - 1
    plain[places[:, np.newaxis] + np.arange(len(_SMALL))] = np.frombuffer(_SMALL, np.uint8)
    return plain.tobytes()
