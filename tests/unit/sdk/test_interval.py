"""Intervals as text, parsed, chosen and rounded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from graftage.sdk.interval import (
    InvalidInterval,
    effective_interval,
    interval_text,
    parse_interval,
    round_interval,
)

MS, S, M, H, D = (
    timedelta(milliseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1s", S), ("1m", M), ("1h", H), ("1d", D), ("2w", 14 * D), ("1M", 730.5 * H), ("1y", 365.25 * D),
        ("5y", 5 * 365.25 * D), ("10", 10 * S), ("0", 0 * S), ("1h30m", 90 * M), ("1.5s", 1500 * MS),
        (".5h", 30 * M), ("1.s", S), ("-1m", -M), ("+1m", M), ("250ms", 250 * MS), ("5us", 0.005 * MS),
        ("5µs", 0.005 * MS), ("5μs", 0.005 * MS), ("1500ns", timedelta(microseconds=2)), ("<10s>", 10 * S),
        ("10s>", 10 * S), ("<10s", 10 * S), ("<90>", 90 * S),
    ],
)  # fmt: skip
def test_an_interval_is_parsed(text, interval):
    assert parse_interval(text) == interval


@pytest.mark.parametrize(
    "text", ["", "<>", "x", "1x", "1d12h", "1.5d", "-1d", "1 s", "s", "\u0661s", "1h-30m", "9" * 30, "1e3s"]
)
def test_what_is_no_interval_is_told(text):
    with pytest.raises(InvalidInterval, match="interval"):
        parse_interval(text)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (90 * S, "1m"), (61 * S, "1m"), (30 * MS, "30ms"), (23 * H, "23h"), (24 * H, "1d"), (364 * D, "364d"),
        (367 * D, "1y"), (1.9 * S, "1s"), (MS / 2, "1ms"), (0 * S, "1ms"),
    ],
)  # fmt: skip
def test_the_text_of_an_interval_has_whole_units(interval, text):
    assert interval_text(interval) == text


@pytest.mark.parametrize(
    ("of_query", "sent", "minimum", "chosen"),
    [
        ("45s", 9 * S, "1m", 45 * S),
        ("", 9 * S, "1m", 9 * S),
        ("0s", 9 * S, "1m", 9 * S),
        ("", 0 * S, "1m", M),
        ("0s", 0 * S, "", 15 * S),
    ],
)
def test_the_first_that_says_something_decides_the_interval(of_query, sent, minimum, chosen):
    assert effective_interval(of_query, sent, minimum, 15 * S) == chosen


@pytest.mark.parametrize(
    ("bound", "rounded"),
    [
        (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000),
        (7500, 5000), (12500, 10000), (17500, 15000), (25000, 20000), (45000, 30000), (90000, 60000),
        (210000, 120000), (450000, 300000), (750000, 600000), (1050000, 900000), (1500000, 1200000),
        (2700000, 1800000), (5400000, 3600000), (9000000, 7200000), (16200000, 10800000),
        (32400000, 21600000), (86400000, 43200000), (604800000, 86400000), (1814400000, 604800000),
        (63071999999, 2592000000), (63072000000, 31536000000),
    ],
)  # fmt: skip
def test_an_interval_is_rounded_up_to_its_bound(bound, rounded):
    assert round_interval(bound * MS) == rounded * MS
    if bound < 63071999999:
        assert round_interval((bound + 1) * MS) > rounded * MS
