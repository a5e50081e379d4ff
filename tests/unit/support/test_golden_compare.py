"""Every part of an answer that is altered must be complained about, and nothing else."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from support.golden.cases import Case, Request, Response
from support.golden.compare import complaints, difference, has_parts, recorded, same_json
from support.golden.observation import Answer, Observation

SENT, RECORDED = (1_000_000, 1_000_010), (500_000, 500_007)
PLUGIN_REQUEST: dict[str, Any] = {
    "timeRange": {"fromRaw": "now-1s", "toRaw": "77", "fromEpochMs": "499003", "toEpochMs": "77"},
    "datasource": {"id": "1", "decryptedSecureJsonData": {}},
    "queries": [{"refId": "A"}],
}
SEEN_REQUEST = {**PLUGIN_REQUEST, "timeRange": {**PLUGIN_REQUEST["timeRange"], "fromEpochMs": "999005"}}
UPSTREAM = {"method": "GET", "path": "/x", "headers": [["Host", "u"], ["A", "1"]], "body": ""}

CASE = Case(
    "n",
    "7.5.5",
    "s",
    1,
    request=Request("GET", "/"),
    response=Response(
        200,
        "application/json",
        (("Cache-Control", "no-cache"), ("Transfer-Encoding", "chunked")),
        '{"a":1.0}',
    ),
    plugin_request=PLUGIN_REQUEST,
    upstream_requests=(UPSTREAM,),
    sent_at=RECORDED,
)
ANSWER = Answer(
    200,
    "application/json",
    (("content-length", "9"), ("date", "today"), ("cache-control", "no-cache")),
    b'{"a":1.0}',
)
SEEN = Observation(ANSWER, (SEEN_REQUEST,), (dict(reversed(UPSTREAM.items())),), SENT)


def altered(**changes: object) -> Observation:
    return dataclasses.replace(SEEN, **changes)  # type: ignore[arg-type]


def with_answer(**changes: object) -> Observation:
    return altered(answer=dataclasses.replace(ANSWER, **changes))  # type: ignore[arg-type]


def with_time(key: str, value: str) -> Observation:
    return altered(
        plugin_requests=({**SEEN_REQUEST, "timeRange": {**SEEN_REQUEST["timeRange"], key: value}},)
    )


def test_an_answer_as_recorded_is_not_complained_about() -> None:
    assert complaints(recorded(CASE), SEEN) == []


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (with_answer(status=201), "status: expected 200, got 201"),
        (with_answer(content_type="application/json; charset=utf-8"), "content type"),
        (with_answer(body=b'{"a":1}'), "body: expected"),
        (with_answer(body=b'{"a":1.0}\n'), "body: expected"),
        (with_answer(body=b"\xff"), "body: expected"),
        (with_answer(headers=()), r"missing \[\('cache-control', 'no-cache', 1\)\]"),
        (with_answer(headers=(*ANSWER.headers, ("x", "y"))), r"not expected \[\('x', 'y', 1\)\]"),
        (with_answer(headers=(*ANSWER.headers, ANSWER.headers[-1])), r"'no-cache', 2\)"),
        (altered(answer=Answer(0)), "status: expected 200, got 0"),
        (altered(answer=None), "not running"),
        (altered(plugin_requests=()), "called 0 times, expected 1"),
        (altered(plugin_requests=(SEEN_REQUEST, SEEN_REQUEST)), "called 2 times"),
        (
            altered(plugin_requests=({**SEEN_REQUEST, "queries": []},)),
            "at /queries: expected 1 elements, got 0",
        ),
        (
            with_time("fromEpochMs", "998999"),
            "fromEpochMs of 'now-1s': expected 999000 to 999010, got 998999",
        ),
        (with_time("toEpochMs", "78"), "toEpochMs of '77': expected 77, got 78"),
        (altered(upstream_requests=()), "asked 0 times"),
        (altered(upstream_requests=({**UPSTREAM, "path": "/y"},)), "upstream path"),
        (altered(upstream_requests=({**UPSTREAM, "headers": [["Host", "u"]]},)), "upstream headers"),
        (altered(exit_code=1), "exit: expected None, got 1"),
    ],
)
def test_anything_altered_is_complained_about(seen: Observation, complaint: str) -> None:
    assert re.search(complaint, " ".join(complaints(recorded(CASE), seen)))


def test_requests_to_the_server_behind_may_arrive_in_any_order() -> None:
    one, two = {**UPSTREAM, "body": "1"}, {**UPSTREAM, "body": "2"}
    both = dataclasses.replace(CASE, upstream_requests=(one, two))
    assert not complaints(recorded(both), altered(upstream_requests=(two, one)))
    assert complaints(recorded(both), altered(upstream_requests=(two, two)))


def test_a_plugin_that_was_asked_unexpectedly_is_noticed() -> None:
    quiet = dataclasses.replace(CASE, plugin_request=None)
    assert "called 1 times, expected 0" in complaints(recorded(quiet), SEEN)[0]


def test_a_connection_closed_without_an_answer_can_be_as_recorded() -> None:
    closed = Case("n", "7.5.5", "s", 1, request=Request("GET", "/"), response=Response(0, body_text=""))
    assert complaints(recorded(closed), Observation(Answer(0))) == []
    assert complaints(recorded(closed), Observation(Answer(404, "text/html")))


def test_moments_without_a_recorded_clock_must_be_the_same() -> None:
    unclocked = dataclasses.replace(CASE, sent_at=None)
    assert "expected 499003, got 999005" in complaints(recorded(unclocked), SEEN)[0]


def test_volatile_places_may_hold_anything_but_must_be_there() -> None:
    check = same_json('{"id":1,"uid":"abc","z":2}', ["/uid"])
    assert check('{"id":1,"uid":"xyz","z":2}') is None
    assert check('{"id":1,"z":2}')
    assert check('{"id":2,"uid":"xyz","z":2}')
    assert check('{"uid":"xyz","id":1,"z":2}'), "the order of keys counts"
    assert check('{"id":1.0,"uid":"xyz","z":2}'), "the letters of numbers count"
    assert check("nope")


def test_a_volatile_header_must_only_be_there() -> None:
    response = Response(200, None, (("Last-Modified", "then"),), "")
    case = Case(
        "n",
        "7.5.5",
        "s",
        1,
        request=Request("GET", "/"),
        response=response,
        volatile=("header:Last-Modified",),
    )
    assert complaints(recorded(case), Observation(Answer(200, None, (("last-modified", "now"),)))) == []
    assert complaints(recorded(case), Observation(Answer(200)))


@pytest.mark.parametrize(
    ("parts", "good", "bad"),
    [
        ({"plugins": ["a", "b"]}, '[{"id":"a"},{"id":"b"}]', '[{"id":"b"},{"id":"a"}]'),
        (
            {"plugins": [{"id": "a", "version": "1"}]},
            '[{"id":"a","info":{"version":"1"}}]',
            '[{"id":"a","info":{"version":"2"}}]',
        ),
        ({"plugins": [["a", "unsigned"]]}, '[{"id":"a","signature":"unsigned"}]', '[{"id":"a"}]'),
        ({"names": ["m"]}, "# TYPE m gauge\n# TYPE n gauge\n", "# TYPE n gauge\n"),
        (
            {"lines_about_plugins": ["# TYPE m gauge", "m #", "n 1"]},
            "# TYPE m gauge\nm 7\nn 1",
            "# TYPE m gauge\nm 7\nn 2",
        ),
        ({"buildInfo": {"version": "7.5.5"}}, '{"buildInfo":{"version":"7.5.5"},"x":1}', '{"buildInfo":{}}'),
    ],
)
def test_what_was_kept_of_a_long_body_is_compared(parts: dict[str, Any], good: str, bad: str) -> None:
    assert has_parts(parts)(good) is None
    assert has_parts(parts)(bad)
    assert has_parts(parts)("") is not None


def test_a_time_of_writing_lies_within_the_run() -> None:
    assert difference({"at": "{{NOW_MS}}"}, {"at": "15"}, window=(10, 20)) is None
    assert difference({"at": "{{NOW_MS}}"}, {"at": "25"}, window=(10, 20))
    assert difference({"at": "{{NOW_MS}}"}, {"at": "soon"}, window=(10, 20))


def test_kinds_of_values_are_told_apart() -> None:
    assert difference({"a": 1}, {"a": True})
    assert difference({"a": "1"}, {"a": 1})
    assert difference({"a": None}, {})
    assert difference([], {})
