"""JSON with Go's spelling of numbers and its escapes, in the order given."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.data.canonical_json import Number
from graftage.data.go_json import Bound, go_float, write_ordered


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-2.5, "-2.5"), (100.25, "100.25"), (0.1, "0.1"),
        (1e-6, "0.000001"), (9.5e-7, "9.5e-7"), (1e-7, "1e-7"), (5e-324, "5e-324"),
        (1e16, "10000000000000000"), (123456789012345678.0, "123456789012345680"),
        (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"),
    ],
)  # fmt: skip
def test_floats_are_the_shortest_text_with_exponents_where_go_has_them(number: float, text: str) -> None:
    assert go_float(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-300, "1e-300"),
    ],
)
def test_limits_have_exponents_of_two_digits(number: float, text: str) -> None:
    assert write_ordered(Bound(number)).decode() == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null_as_a_limit_and_else_an_error(number: float) -> None:
    assert write_ordered(Bound(number)) == b"null"
    with pytest.raises(ValueError, match="is no JSON"):
        write_ordered(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_float_reads_back_as_itself(number: float) -> None:
    assert math.copysign(1, float(go_float(number))) == math.copysign(1, number)
    assert float(go_float(number)) == float(write_ordered(Bound(number))) == number


def test_keys_stay_in_order_and_texts_are_escaped_for_html() -> None:
    value = {"b": [1, True, None, Number("1.0")], "<a>": ("&", "\u2028", "é\x08")}
    assert (
        write_ordered(value).decode()
        == r'{"b":[1,true,null,1.0],"\u003ca\u003e":["\u0026","\u2028","é\u0008"]}'
    )


def test_what_nests_without_end_is_refused() -> None:
    nested: list[object] = []
    nested.append(nested)
    with pytest.raises(ValueError, match="no JSON"):
        write_ordered(nested)


@pytest.mark.parametrize("value", [object(), {1: 2}, [{"a": {1, 2}}]])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_ordered(value)
