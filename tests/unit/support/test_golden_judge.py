from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from support.golden.areas import AreaReport, Outcome, run_areas
from support.golden.cases import Case, Request, Response, Setup
from support.golden.engine import BY_TWIN, as_7_5, with_uid
from support.golden.judge import Verdict, judge
from support.golden.not_built import FEATURES
from support.golden.observation import Answer, Observation
from support.golden.report import story, summary
from support.golden.situation import Situation

HEADERS = (("X-Frame-Options", "deny"),)
NEWER_HEADERS = (*HEADERS, ("X-Content-Type-Options", "nosniff"), ("X-Xss-Protection", "1; mode=block"))
NO_ROUTE = Answer(404, "application/json; charset=UTF-8", (), b'{"message":"Not found"}')


def case(
    path: str, text: str = "{}", *, method: str = "GET", engine: str = "7.5.5", status: int = 200
) -> Case:
    response = Response(status, "application/json", HEADERS, text)
    return Case("n", engine, "s", 1, request=Request(method, path), response=response)


def told_upstream(header: str) -> Case:
    """A call through the proxy in which the server behind got this header."""
    request = {"method": "GET", "path": "/x", "headers": [[header, "x"]], "body": ""}
    return dataclasses.replace(case("/api/datasources/proxy/1/x"), upstream_requests=(request,))


def logged(line: str) -> Case:
    return Case("n", "7.5.5", "s", 1, log=(line,))


@pytest.mark.parametrize(
    ("path", "feature"),
    [
        ("/api/plugins/errors", "plugin errors"),
        ("/api/plugins/a/settings", "plugin settings"),
        ("/public/plugins/a/module.js", "plugin files"),
        ("/api/auth/keys", "API keys"),
    ],
)
def test_a_route_that_is_absent_is_not_built(path: str, feature: str) -> None:
    judgement = judge(Situation(case(path)), Observation(NO_ROUTE))
    assert (judgement.verdict, judgement.details[0]) == (Verdict.NOT_BUILT, feature)


def test_a_route_that_exists_and_differs_is_different() -> None:
    wrong = Answer(200, "application/json", HEADERS, b'{"x":1}')
    for path in ("/api/ds/query", "/api/plugins/a/settings", "/public/plugins/a/module.js"):
        assert judge(Situation(case(path)), Observation(wrong)).verdict is Verdict.DIFFERENT


def test_what_is_as_recorded_is_never_not_built() -> None:
    right = Answer(200, "application/json", HEADERS, b"{}")
    viewer = Situation(case("/api/ds/query"), setup=Setup(anonymous_role="Viewer"))
    assert judge(viewer, Observation(right)).verdict is Verdict.AS_RECORDED


@pytest.mark.parametrize(
    "path", ["/api/tsdb/query", "/api/health", "/metrics", "/", "/api/datasources", "/api/plugins"]
)
def test_the_routes_of_a_plain_server_are_never_not_built(path: str) -> None:
    assert judge(Situation(case(path)), Observation(NO_ROUTE)).verdict is Verdict.DIFFERENT


def test_what_depends_on_something_unbuilt_is_not_built_only_while_it_is_in_the_file() -> None:
    wrong = Observation(Answer(200, "application/json", HEADERS, b"[]"))
    listed = Situation(case("/api/plugins"))
    assert judge(listed, wrong).verdict is Verdict.DIFFERENT
    after = dataclasses.replace(listed, unbuilt=frozenset({"plugin settings"}))
    assert judge(after, wrong).verdict is Verdict.NOT_BUILT


@pytest.mark.parametrize(
    ("setup", "status", "text"),
    [
        (Setup(anonymous_role=None), 401, '{"message":"Unauthorized"}'),
        (Setup(app_mode="development"), 500, '{"error":"x","message":"Metric request error"}'),
        (Setup(files={"provisioning/datasources/a.yaml": ""}), 200, '[{"id":1}]'),
        (Setup(files={"provisioning/datasources/a.yaml": ""}), 403, '{"message":"a read-only one"}'),
    ],
)
def test_what_a_setup_asks_for_is_not_built_only_where_it_matters(
    setup: Setup, status: int, text: str
) -> None:
    wrong = Observation(Answer(418, "text/plain"))
    concerned = Situation(case("/api/datasources", text, status=status), setup=setup)
    assert judge(concerned, wrong).verdict is Verdict.NOT_BUILT
    assert judge(Situation(case("/api/health"), setup=setup), wrong).verdict is Verdict.DIFFERENT
    assert judge(dataclasses.replace(concerned, setup=Setup()), wrong).verdict is Verdict.DIFFERENT


WHITELIST = Setup(ini={"security": {"data_source_proxy_whitelist": "a:80"}})
USER_HEADER = Setup(ini={"dataproxy": {"send_user_header": "true"}})
PROVISIONED = Setup(files={"provisioning/datasources/a.yaml": ""})


@pytest.mark.parametrize(
    ("setup", "recorded", "verdict"),
    [
        (WHITELIST, case("/api/datasources/proxy/1/x", status=403), Verdict.NOT_BUILT),
        (WHITELIST, case("/api/datasources/proxy/1/x"), Verdict.DIFFERENT),
        (WHITELIST, case("/api/datasources", status=403), Verdict.DIFFERENT),
        (USER_HEADER, told_upstream("X-Grafana-User"), Verdict.NOT_BUILT),
        (USER_HEADER, told_upstream("User-Agent"), Verdict.DIFFERENT),
        (PROVISIONED, case("/api/datasources", "[]"), Verdict.DIFFERENT),
        (PROVISIONED, logged('msg="inserting" logger=provisioning.datasources'), Verdict.NOT_BUILT),
        (PROVISIONED, logged('msg="something else"'), Verdict.DIFFERENT),
    ],
)
def test_settings_and_files_excuse_only_what_they_say(setup: Setup, recorded: Case, verdict: Verdict) -> None:
    wrong = Observation(Answer(418, "text/plain"))
    assert judge(Situation(recorded, setup=setup), wrong).verdict is verdict


def test_every_feature_has_a_name_of_its_own() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


def test_a_6_3_case_is_judged_by_its_twin() -> None:
    newer = as_7_5(case("/x", '{"a":1}', engine="6.3"), case("/x", '{"a":2}'))
    like_new, like_old = (
        Observation(Answer(200, "application/json", HEADERS, b'{"a":%d}' % a)) for a in (2, 1)
    )
    judgement = judge(Situation(newer.case), like_new, authority=newer.reason)
    assert (judgement.verdict, judgement.details) == (Verdict.DELIBERATE, (BY_TWIN,))
    assert judge(Situation(newer.case), like_old, authority=newer.reason).verdict is Verdict.DIFFERENT


def test_a_6_3_case_like_its_twin_is_as_recorded() -> None:
    assert as_7_5(case("/x", engine="6.3"), case("/x")).reason == ""


def test_a_request_of_6_3_gets_the_uid_of_its_twin_and_nothing_else() -> None:
    def asking(body: str, engine: str = "6.3") -> Case:
        return dataclasses.replace(case("/x", engine=engine), request=Request("POST", "/x", (), body))

    twin = asking('{"name":"a","uid":"u"}', "7.5.5")
    assert with_uid(asking('{"name":"a"}'), twin).request == twin.request
    assert with_uid(asking('{"name":"b"}'), twin).request == asking('{"name":"b"}').request
    assert with_uid(asking("nope"), twin).request == asking("nope").request


@pytest.mark.parametrize(
    ("status", "recorded", "expected_status", "expected"),
    [
        (
            200,
            '{"results":{"A":{"refId":"A","series":[],"tables":null}}}',
            200,
            '{"results":{"A":{"refId":"A","series":[],"tables":null,"dataframes":null}}}',
        ),
        (
            500,
            '{"message":"Unable to load datasource meta data"}',
            400,
            '{"message":"Invalid data source ID"}',
        ),
        (404, '{"message":"Not found"}', 404, '{"message":"Not found"}'),
        (200, '{"id":1,"orgId":1,"typeLogoUrl":""}', 200, '{"id":1,"uid":"…","orgId":1,"typeLogoUrl":""}'),
    ],
)
def test_a_6_3_case_without_a_twin_follows_the_specification(
    status: int, recorded: str, expected_status: int, expected: str
) -> None:
    newer = as_7_5(case("/x", recorded, engine="6.3", status=status), None).case
    assert newer.response is not None
    assert (newer.response.status, newer.response.body_text) == (expected_status, expected)
    assert newer.response.headers == NEWER_HEADERS
    assert newer.volatile == (("/uid",) if "uid" in expected else ())


def test_the_summary_has_one_line_an_area_and_the_story_says_why() -> None:
    outcomes = (
        Outcome("one", Verdict.AS_RECORDED),
        Outcome("two", Verdict.DELIBERATE, ("rule x",)),
        Outcome("three", Verdict.DIFFERENT, ("status: expected 200, got 500",)),
        Outcome("four", Verdict.NOT_BUILT, ("proxy", "status: expected 200, got 404")),
    )
    report = AreaReport("http-api", outcomes)
    assert summary(report) == "http-api: 1 as recorded, 1 deliberate, 1 different, 1 not built yet"
    told = story([report])
    for expected in (
        "  three\n      status: expected 200, got 500",
        "  rule x (1)\n      two",
        "  proxy (1)\n      four",
    ):
        assert expected in told


def test_areas_that_are_not_built_are_counted_and_bad_files_are_different(tmp_path: Path) -> None:
    for name, text in {
        "alerting/a.json": "{}",
        "frames/dataplane/x.arrow": "no Arrow file",
        "http-api/broken.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "http-api" / "README.md").write_text("not a scenario")
    (tmp_path / "frames" / "README.md").write_text("not a recording")
    assert [summary(report) for report in run_areas(tmp_path)] == [
        "http-api: 0 as recorded, 0 deliberate, 1 different, 0 not built yet",
        "alerting: 0 as recorded, 0 deliberate, 0 different, 1 not built yet",
        "frames: 0 as recorded, 0 deliberate, 1 different, 0 not built yet",
    ]
