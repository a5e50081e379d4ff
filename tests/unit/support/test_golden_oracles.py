"""The harness works results and moments out a second time; the recordings say that it does so rightly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from support.golden import json_text
from support.golden.areas import RECORDINGS
from support.golden.cases import Case, read_scenario
from support.golden.expected_results import expected_results, has_infinity, unknown_kinds
from support.golden.times import reading

NOW = datetime(2026, 11, 22, 12, 0, 26, 500_000, tzinfo=UTC)  # a Sunday


def recorded(*scenarios: str) -> Iterator[Case]:
    for scenario in scenarios:
        yield from read_scenario(RECORDINGS / "http-api" / f"{scenario}.7.5.5.json").cases


def milliseconds(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc,arg-type]


def test_expected_results_are_the_recorded_ones_to_the_letter() -> None:
    compared = 0
    for case in recorded("series", "tables", "errors"):
        response = case.plugin_response
        if case.response is None or case.volatile or "results" not in (case.response.json() or {}):
            continue
        results, message = expected_results(response)
        body = {"results": results, "message": message} if message else {"results": results}
        assert json_text.dump(body) == case.response.body_text, case.label
        compared += 1
    assert compared > 40


@pytest.mark.parametrize(
    ("value", "point", "cell"),
    [
        (1e21, "1000000000000000000000", "1e+21"),
        (1e-7, "0.0000001", "1e-7"),
        (-1.5e-9, "-0.0000000015", "-1.5e-9"),
        (-0.0, "-0", "-0"),
        ("NaN", "null", "null"),
        ("-Infinity", "null", "null"),
    ],
)
def test_expected_numbers_follow_their_place(value: float | str, point: str, cell: str) -> None:
    response = {
        "results": [
            {
                "refId": "A",
                "series": [{"points": [{"value": value}]}],
                "tables": [{"rows": [{"values": [{"kind": "TYPE_DOUBLE", "doubleValue": value}]}]}],
            }
        ]
    }
    shown = json_text.dump(expected_results(response)[0]["A"])
    assert f'"points":[[{point},0]]' in shown
    assert f'"rows":[[{cell}]]' in shown
    assert has_infinity(response) == (cell == "null")


def test_an_unknown_kind_is_noticed_by_number_and_by_name() -> None:
    def with_kind(kind: int | str) -> dict[str, object]:
        return {"refId": "A", "tables": [{"rows": [{"values": [{"kind": kind}]}]}]}

    assert unknown_kinds({"results": [with_kind(17)]}) == ["A"]
    assert unknown_kinds({"results": [with_kind("TYPE_ODD")]}) == ["A"]
    assert unknown_kinds({"results": [with_kind(5), {"refId": "B"}]}) == []


def test_moments_are_read_as_they_were_recorded_where_the_engine_read_them() -> None:
    compared = 0
    for case in recorded("ranges"):
        times = (case.plugin_request or {}).get("timeRange")
        if times is None or case.sent_at is None:
            continue
        for raw, key, end in (("fromRaw", "fromEpochMs", False), ("toRaw", "toEpochMs", True)):
            moment, text = int(times[key]), times[raw]
            if moment not in (0, -1):
                low, high = (reading(text, stamp, end=end) for stamp in case.sent_at)
                assert low is not None
                assert high is not None
                assert low <= moment <= high, (text, moment)
                compared += 1
    assert compared > 30


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("now/w", (2026, 11, 16), (2026, 11, 23)),
        ("now-1M/M", (2026, 10, 1), (2026, 11, 1)),
        ("2019-03-31||-1M", (2019, 3, 3), None),
        ("2020-02-29||+1y", (2021, 3, 1), None),
        ("2019-04-15T10:37:20+02:00", (2019, 4, 15, 8, 37, 20), None),
        ("2026-11-20||+1b", (2026, 11, 23), None),
        ("now-1d-12H/h", (2026, 11, 21), (2026, 11, 21, 1)),
    ],
)
def test_moments_follow_the_calendar(text: str, begin: tuple[int, ...], end: tuple[int, ...] | None) -> None:
    now = int(NOW.timestamp() * 1000)
    assert reading(text, now, end=False) == milliseconds(*begin)
    assert reading(text, now, end=True) == milliseconds(*(end or begin)) - (1 if end else 0)


@pytest.mark.parametrize("text", ["abc", "now-", "now-5", " 100", "1e3", "NOW", "-1h", "9223372036854775808"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert reading(text, 0, end=False) is None


def test_json_is_written_as_go_writes_it() -> None:
    text = '{"b":1.0,"a":[1E-7,null,true],"s":"\\u003cx\\u003e\\u0026\\u2028\\u0008\\n"}'
    assert json_text.dump(json_text.parse(text)) == text
