"""Bytes become lines, whatever the portions they arrive in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.host.lines import Line, LineCutter

SETTINGS = settings(deadline=None, derandomize=True)


def cut(*portions: bytes, limit: int = 64) -> list[Line]:
    cutter = LineCutter(limit)
    return [line for portion in portions for line in cutter.feed(portion)] + cutter.end()


@pytest.mark.parametrize(
    ("portions", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\r\nb\r\r\n"], [b"a", b"b\r"]),
        ([b"a", b"", b"b\nc", b"\n"], [b"ab", b"c"]),
        ([b"a\r", b"\n"], [b"a"]),
        ([b"\n\n"], [b"", b""]),
        ([b"a\nlast\r"], [b"a", b"last\r"]),
        ([b""], []),
    ],
)
def test_lines_end_at_lf_with_one_cr_before_it(portions: list[bytes], lines: list[bytes]) -> None:
    assert cut(*portions) == [Line(line) for line in lines]


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(62, [62]), (63, [63]), (64, [64, 0]), (65, [64, 1]), (128, [64, 64, 0]), (130, [64, 64, 2])],
)
def test_a_line_at_the_limit_is_cut_into_pieces(size: int, pieces: list[int]) -> None:
    lines = cut(b"x" * size + b"\nnext\n")
    assert [len(line.data) for line in lines] == [*pieces, 4]
    assert [line.whole for line in lines] == [len(pieces) == 1] * len(pieces) + [True]


@SETTINGS
@given(st.lists(st.binary(max_size=200)), st.integers(1, 50))
def test_the_portions_make_no_difference(portions: list[bytes], limit: int) -> None:
    assert cut(*portions, limit=limit) == cut(b"".join(portions), limit=limit)


@SETTINGS
@given(st.lists(st.binary(max_size=200)), st.integers(1, 50))
def test_nothing_is_lost_and_nothing_is_longer_than_the_limit(portions: list[bytes], limit: int) -> None:
    lines = cut(*portions, limit=limit)
    assert all(len(line.data) <= limit for line in lines)
    whole = b"".join(portions)
    assert b"".join(line.data for line in lines).replace(b"\r", b"") == whole.replace(b"\n", b"").replace(
        b"\r", b""
    )


def test_a_line_without_an_end_is_kept_in_bounded_memory() -> None:
    cutter = LineCutter(1000)
    for _ in range(1000):
        cutter.feed(b"x" * 999)
        assert len(cutter.begun) < 1000
