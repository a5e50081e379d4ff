"""Arrays of numbers, spelled as Go spells them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from graftage.data.go_json import go_float
from graftage.data.number_text import with_nulls, write_floats, write_integers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2.0, "2"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e-5, "0.00001"),
        (1e-6, "0.000001"),
        (9.5e-7, "9.5e-7"),
        (5e-324, "5e-324"),
        (2.0**53, "9007199254740992"),
        (123456789012345680.0, "123456789012345680"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (math.nan, "null"),
        (-math.inf, "null"),
    ],
)
def test_a_number_has_the_digits_that_go_gives_it(number: float, text: str) -> None:
    assert write_floats(np.array([number])).decode() == f"[{text}]"
    assert write_floats(np.array([number, 0.5])).decode() == f"[{text},0.5]"
    assert write_floats(np.array([0.5, number])).decode() == f"[0.5,{text}]"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (16777216, "16777216"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1e13, "10000000000000"),
        (1.2345679e17, "123456790000000000"),
        (1e21, "1e+21"),
        (3.4e38, "3.4e+38"),
        (1e-45, "1e-45"),
    ],
)
def test_a_number_of_32_bits_has_the_digits_that_those_need(number: float, text: str) -> None:
    assert write_floats(np.array([number], np.float32)).decode() == f"[{text}]"


# Where orjson writes an exponent and Go does not, or the other way round.
BORDERS = st.floats(1e-7, 1e-4) | st.floats(1e12, 1e22) | st.floats(-1e-4, -1e-7) | st.floats(-1e22, -1e12)


@given(st.lists(st.floats() | st.integers(-(2**60), 2**60).map(float) | BORDERS))
def test_each_number_of_an_array_is_spelled_as_it_would_be_alone(numbers: list[float]) -> None:
    text = write_floats(np.array(numbers, np.float64)).decode()
    expected = [go_float(number) if math.isfinite(number) else "null" for number in numbers]
    assert text == f"[{','.join(expected)}]"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_numbers_of_32_bits_come_back_from_their_digits(numbers: list[float]) -> None:
    values = np.array(numbers, np.float32)
    back = np.array(json.loads(write_floats(values)), np.float32)
    assert back.tobytes() == np.where(values == 0, back, values).tobytes()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.array([2**63 - 1, -(2**63)]), "[9223372036854775807,-9223372036854775808]"),
        (np.array([2**64 - 1], np.uint64), "[18446744073709551615]"),
        (np.array([-128, 127], np.int8), "[-128,127]"),
        (np.array([True, False]), "[true,false]"),
        (np.arange(6)[::2], "[0,2,4]"),
        (np.zeros(0, np.int32), "[]"),
    ],
)
def test_integers_have_all_their_digits(values: NDArray[np.generic], text: str) -> None:
    assert write_integers(values).decode() == text


def test_what_is_not_valid_is_null() -> None:
    assert with_nulls(b"[1,2,3]", np.array([True, False, False])) == b"[1,null,null]"
    assert write_floats(np.zeros(0)) == b"[]"
