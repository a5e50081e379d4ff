from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftage.errors import BadRequest
from graftage.query.time_range import parse_range, parse_time

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"

# A Wednesday.
NOW = datetime(2019, 4, 17, 10, 37, 20, 782_456, tzinfo=UTC)
NOW_MS = 1_555_497_440_782

SUNDAY = datetime(2019, 4, 21, 23, 59, tzinfo=UTC)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str, *, now: datetime = NOW) -> int:
    return parse_time(text, now=now, round_up=False)


def end_of(text: str, *, now: datetime = NOW) -> int:
    return parse_time(text, now=now, round_up=True)


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    "text", ["1555324640782", "-1", "+5", "00012", "0", "9223372036854775807", "-9223372036854775808"]
)
def test_whole_numbers_are_milliseconds_kept_to_the_last_digit(text: str) -> None:
    assert at(text) == end_of(text) == int(text)


def test_missing_text_is_the_epoch() -> None:
    assert at("") == end_of("") == 0


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("now", 0),
        ("now-6h", 6 * HOUR),
        ("6h", 6 * HOUR),
        ("now-90s", 90_000),
        ("now-1h30m", HOUR + 30 * MINUTE),
        ("1h30m", HOUR + 30 * MINUTE),
        ("now-1.5h", 90 * MINUTE),
        ("now-.5h", 30 * MINUTE),
        ("now-500ms", 500),
        ("now-456us", 0),
        ("now-457us", 1),
        ("now-2500000ns", 3),
        ("now-0", 0),
        ("now-1d", DAY),
        ("now-1w", 7 * DAY),
        ("now+1h", -HOUR),
        ("now-1d-1h", DAY + HOUR),
        ("now-1H", HOUR),
        ("now-d", DAY),
        ("now-1M", 31 * DAY),
        ("now-1y", 365 * DAY),
    ],
)
def test_spans_count_from_now_on_both_ends(text: str, back: int) -> None:
    assert at(text) == end_of(text) == NOW_MS - back


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("now/s", "2019-04-17T10:37:20Z", "2019-04-17T10:37:21Z"),
        ("now/m", "2019-04-17T10:37Z", "2019-04-17T10:38Z"),
        ("now/h", "2019-04-17T10:00Z", "2019-04-17T11:00Z"),
        ("now/d", "2019-04-17T00:00Z", "2019-04-18T00:00Z"),
        ("now-1d/d", "2019-04-16T00:00Z", "2019-04-17T00:00Z"),
        ("now/w", "2019-04-15T00:00Z", "2019-04-22T00:00Z"),
        ("now/M", "2019-04-01T00:00Z", "2019-05-01T00:00Z"),
        ("now/y", "2019-01-01T00:00Z", "2020-01-01T00:00Z"),
        ("2019-12-31||/M", "2019-12-01T00:00Z", "2020-01-01T00:00Z"),
        ("1555324640782||/d", "2019-04-15T00:00Z", "2019-04-16T00:00Z"),
    ],
)
def test_rounding_goes_to_the_first_and_to_the_last_millisecond_of_a_unit(
    text: str, first: str, last: str
) -> None:
    assert at(text) == moment(first)
    assert end_of(text) == moment(last) - 1


def test_a_week_starts_on_monday_even_when_today_is_sunday() -> None:
    assert at("now/w", now=SUNDAY) == moment("2019-04-15T00:00Z")
    assert end_of("now/w", now=SUNDAY) == moment("2019-04-22T00:00Z") - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-03-31||-1M", "2019-03-03"),
        ("2019-01-31||+1M", "2019-03-03"),
        ("2020-02-29||+1y", "2021-03-01"),
        ("2019-01-15||-2M", "2018-11-15"),
        ("2019-04-15||+1w/M", "2019-04-01"),
    ],
)
def test_a_day_that_a_month_lacks_runs_over_into_the_next(text: str, expected: str) -> None:
    assert at(text) == moment(f"{expected}T00:00Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-04-19||+1b", "2019-04-22"),
        ("2019-04-20||+1b", "2019-04-22"),
        ("2019-04-21||+1b", "2019-04-22"),
        ("2019-04-21||+6b", "2019-04-29"),
        ("2019-04-22||-1b", "2019-04-19"),
        ("2019-04-20||-1b", "2019-04-19"),
        ("2019-04-21||-1b", "2019-04-19"),
        ("2019-04-17||-10b", "2019-04-03"),
        ("2019-04-20||+0b", "2019-04-20"),
    ],
)
def test_business_days_leave_out_weekends(text: str, expected: str) -> None:
    assert at(text) == moment(f"{expected}T00:00Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-04", "2019-04-01T00:00Z"),
        ("2019-04-15", "2019-04-15T00:00Z"),
        ("2019-04-15T10", "2019-04-15T10:00Z"),
        ("2019-04-15T10:37", "2019-04-15T10:37Z"),
        ("2019-04-15T10:37:20Z", "2019-04-15T10:37:20Z"),
        ("2019-04-15T10:37:20+05:30", "2019-04-15T05:07:20Z"),
        ("2019-04-15T10:37:20.5-01:00", "2019-04-15T11:37:20.500Z"),
        ("2019-04-15T10:37:20.123456789Z", "2019-04-15T10:37:20.123Z"),
    ],
)
def test_iso_dates_may_be_cut_short_and_are_utc_unless_they_say_otherwise(text: str, expected: str) -> None:
    assert at(text) == end_of(text) == moment(expected)


def test_a_day_is_that_of_the_zone_which_the_date_names() -> None:
    assert at("2019-04-15T01:00:00+05:30||/d") == moment("2019-04-15T00:00+05:30")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "abc",
            "nowhere",
            " now",
            "NOW",
            "now-",
            "now-5",
            "now/b",
            "now/",
            "now-1d ",
            "now-1x",
            "-1h",
            "+1h",
            "now--6h",
        ),
        *(
            "1.5",
            "1e3",
            " 100",
            "100 ",
            "0x10",
            "1_000",
            "١٢",
            "h",
            ".h",
            "2019-04-15 10:37:20",
            "2019-4-15",
            "10:37",
            "||",
        ),
        *("-1||-1d", "now||-1d", "2019-04-15-1d", "2019-04T10"),
    ],
)
def test_nonsense_is_refused_with_the_forms_that_are_accepted(text: str) -> None:
    with pytest.raises(BadRequest, match="cannot be read; expected milliseconds since 1970"):
        at(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("9223372036854775808", "64 bits"),
        ("-9223372036854775809", "64 bits"),
        ("now-9223372036854775807h", "calendar|64 bits"),
        ("1" * 5000, "calendar"),
        ("now-" + "9" * 5000 + "d", "calendar"),
        ("now-20000y", "calendar"),
        ("now+999999999999d", "calendar"),
        ("2019-02-30", "calendar"),
        ("2019-13-01", "calendar"),
        ("2019-04-15T24:00", "calendar"),
        ("9999-12-31||/y", "calendar"),
    ],
)
def test_what_no_calendar_and_no_int64_holds_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint) as refused:
        end_of(text)
    assert len(str(refused.value)) < 250


def test_a_range_keeps_the_texts_and_may_end_before_it_begins() -> None:
    backwards = parse_range("now", "now-1h", now=NOW)
    assert (backwards.from_ms, backwards.to_ms) == (NOW_MS, NOW_MS - HOUR)
    assert (backwards.from_raw, backwards.to_raw) == ("now", "now-1h")


def recorded() -> list[object]:
    ranges = {}
    for engine in ("6.3", "7.5.5"):
        for case in json.loads((GOLDEN / f"ranges.{engine}.json").read_text()):
            if case["name"].startswith("range") and "plugin_request" in case:
                ranges.setdefault(case["name"], {})[engine] = case
    return [pytest.param(by_engine, id=name) for name, by_engine in ranges.items()]


@pytest.mark.parametrize("by_engine", recorded())
def test_what_either_grafana_understood_is_understood_the_same(
    by_engine: dict[str, dict[str, object]],
) -> None:
    for end, round_up in (("from", False), ("to", True)):
        texts = {case["request"]["body"].get(end) or "" for case in by_engine.values()}
        (text,) = texts
        understood = [
            case
            for case in by_engine.values()
            if -1 <= int(case["plugin_request"]["timeRange"][f"{end}EpochMs"]) != 0
        ]
        far_away = text.lstrip("-").isdigit() and len(text) > 15  # both engines wrap these
        if far_away or text in ("", "0"):
            continue
        if not understood:
            with pytest.raises(BadRequest):
                parse_time(text, now=NOW, round_up=round_up)
        for case in understood:
            before, after = (
                parse_time(text, now=datetime.fromtimestamp(sent / 1000, UTC), round_up=round_up)
                for sent in case["sent_at_ms"]
            )
            assert before <= int(case["plugin_request"]["timeRange"][f"{end}EpochMs"]) <= after


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_int64_reads_as_itself(milliseconds: int) -> None:
    assert at(str(milliseconds)) == milliseconds


@given(st.text(alphabet="now-+/|0123456789yMwdbhHmsTZ:. ", max_size=24), st.booleans())
def test_any_text_is_a_moment_of_64_bits_or_refused(text: str, round_up: bool) -> None:
    try:
        milliseconds = parse_time(text, now=NOW, round_up=round_up)
    except BadRequest:
        return
    assert -(2**63) <= milliseconds < 2**63


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9990, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001


@given(MOMENTS, st.sampled_from("smhdwMy"))
def test_a_moment_lies_within_its_unit(now: datetime, unit: str) -> None:
    first, last = at(f"now/{unit}", now=now), end_of(f"now/{unit}", now=now)
    assert first <= at("now", now=now) <= last
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert at(f"now/{unit}", now=epoch + timedelta(milliseconds=last)) == first
    assert end_of(f"now/{unit}", now=epoch + timedelta(milliseconds=first)) == last


@given(MOMENTS, st.integers(-3000, 3000))
def test_business_days_are_steps_of_one(now: datetime, count: int) -> None:
    """The shortcut over whole weeks gives what one step after the other does."""
    stepped = now
    for _ in range(abs(count)):
        stepped += timedelta(days=1 if count > 0 else -1) if 1 < stepped.year < 9989 else timedelta()
        while stepped.weekday() > 4:
            stepped += timedelta(days=1 if count > 0 else -1)
    if 20 < now.year < 9970:
        assert at(f"now{count:+}b", now=now) == at("now", now=stepped)


@given(MOMENTS, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
def test_the_zone_of_the_clock_changes_nothing(now: datetime, offset: timedelta) -> None:
    offset = timedelta(minutes=offset // timedelta(minutes=1))
    if 2 < now.year < 9989:
        assert at("now/d", now=now.astimezone(timezone(offset))) == at("now/d", now=now)
