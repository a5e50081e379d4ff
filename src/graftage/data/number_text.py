"""Arrays of numbers as JSON, spelled as Go spells them.

orjson writes whole arrays fast, but 2 as `2.0`, and with an exponent from 1e16 on where Go starts at 1e21. So
an array is written as a whole and then mended; what it takes to mend is first asked of the array, because
looking through a long text in vain would take as long as writing it.

Source: Go, encoding/json, `encode.go` (`floatEncoder`); json-iterator/go, `stream_float.go`, does the same.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from graftage.data.go_json import go_float

# Go writes an exponent below and from here.
_TINY: Final = 1e-6
_HUGE: Final = 1e21


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
    plain = np.flatnonzero((magnitudes >= _TINY) & (magnitudes < _HUGE)).tolist()
    elements = text[1:-1].split(b",")
    for place in plain:
        if b"e" in elements[place]:
            elements[place] = go_float(float(elements[place])).encode()
    text = b"[%b]" % b",".join(elements)
    # orjson's own spelling of a positive exponent differs from release to release.
    return text.replace(b"e", b"e+").replace(b"e++", b"e+").replace(b"e+-", b"e-")
