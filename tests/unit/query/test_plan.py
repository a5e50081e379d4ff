from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graftage.backend.context import DataSourceSettings, User
from graftage.backend.query import QueryRequest, TimeRange
from graftage.data.canonical_json import read_json
from graftage.errors import BadRequest, NotFound
from graftage.query.plan import Asked, names_by_uid, plan, plan_by_id, plan_by_uid
from graftage.server.routes.query import Plan
from support.sources import Sources

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"
NOW = datetime(2019, 4, 17, tzinfo=UTC)
USER = User(role="Viewer")


SOURCES = Sources(
    DataSourceSettings(1, 1, "source 1", "probe-datasource", uid="one"),
    DataSourceSettings(2, 1, "source 2", "probe-datasource", uid="two"),
)


def planned(
    queries: str, *, from_raw: str = "1", to_raw: str = "2", how: Plan = plan
) -> tuple[QueryRequest, ...]:
    elements = read_json(queries)
    assert isinstance(elements, list)
    return how(Asked(from_raw, to_raw, elements, USER), sources=SOURCES, now=NOW)


def test_queries_of_one_data_source_are_one_request_in_their_order() -> None:
    (request,) = planned(
        '[{"refId":"B","datasourceId":1},{"refId":"A","datasourceId":1},{"refId":"B","datasourceId":1}]'
    )
    assert [query.ref_id for query in request.queries] == ["B", "A", "B"]
    assert request.data_source is SOURCES.by_id(1)
    assert request.time_range == TimeRange(1, 2, "1", "2")


def test_each_query_goes_to_the_data_source_it_names() -> None:
    second, first = planned(
        '[{"refId":"A","datasourceId":2},{"refId":"B","datasourceId":1},{"refId":"C","datasourceId":2}]'
    )
    assert (second.data_source.id, [query.ref_id for query in second.queries]) == (2, ["A", "C"])
    assert (first.data_source.id, [query.ref_id for query in first.queries]) == (1, ["B"])


@pytest.mark.parametrize(
    "other", ["{}", '{"datasourceId":"2"}', '{"datasourceId":2.0}', '{"datasourceId":null}', "7"]
)
def test_a_query_that_names_no_data_source_follows_the_first(other: str) -> None:
    (request,) = planned(f'[{{"datasourceId":1}},{other}]')
    assert len(request.queries) == 2


@pytest.mark.parametrize(
    "datasource_id",
    ['"1"', "1.0", "1e0", "1.5", "null", "true", "[1]", "{}", "9223372036854775808", "-9223372036854775809"],
)
def test_the_first_query_has_to_name_one_with_an_integer_literal(datasource_id: str) -> None:
    with pytest.raises(BadRequest, match=r"^Query missing datasourceId$"):
        planned(f'[{{"datasourceId":{datasource_id}}}]')


@pytest.mark.parametrize("element", ["{}", "1", '"A"', "[]", "true", '{"DatasourceId":1}'])
def test_an_element_that_names_nothing_cannot_come_first(element: str) -> None:
    with pytest.raises(BadRequest, match=r"^Query missing datasourceId$"):
        planned(f'[{element},{{"datasourceId":1}}]')


@pytest.mark.parametrize("datasource_id", ["0", "-0", "-1", "999", "9223372036854775807"])
def test_an_id_of_nothing_is_invalid_wherever_it_stands(datasource_id: str) -> None:
    for queries in (
        f'[{{"datasourceId":{datasource_id}}}]',
        f'[{{"datasourceId":1}},{{"datasourceId":{datasource_id}}}]',
    ):
        with pytest.raises(BadRequest, match=r"^Invalid data source ID$"):
            planned(queries)


def test_no_queries_are_an_error() -> None:
    with pytest.raises(BadRequest, match=r"^No queries found in query$"):
        planned("[]")


@pytest.mark.parametrize(("queries", "position"), [("[null]", 0), ('[{"datasourceId":1},null]', 1)])
def test_null_is_no_query(queries: str, position: int) -> None:
    with pytest.raises(BadRequest, match=rf"queries\[{position}\] is null"):
        planned(queries)


def test_a_time_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(BadRequest, match="yesterday"):
        planned('[{"datasourceId":1}]', from_raw="yesterday")


def recorded() -> list[object]:
    """Requests that reached a plugin and name one data source: there Grafana's plan is ours."""
    cases = json.loads((GOLDEN / "requests.7.5.5.json").read_text())
    return [
        pytest.param(case, id=case["name"])
        for case in cases
        if "plugin_request" in case and not case["name"].startswith("only the first")
    ]


@pytest.mark.parametrize("case", recorded())
def test_the_plugin_gets_what_grafana_gives_it(case: dict[str, object]) -> None:
    text = case["request"].get("body_text") or json.dumps(case["request"]["body"])
    queries = read_json(text[: text.rindex("}") + 1])
    folded = {key.lower(): value for key, value in queries.items()}
    asked = Asked(folded.get("from") or "", folded.get("to") or "", folded["queries"])
    (request,) = plan(asked, sources=SOURCES, now=NOW)

    expected = case["plugin_request"]
    assert {
        "fromRaw": request.time_range.from_raw,
        "toRaw": request.time_range.to_raw,
        "fromEpochMs": str(request.time_range.from_ms),
        "toEpochMs": str(request.time_range.to_ms),
    } == expected["timeRange"]
    assert [
        {
            "refId": query.ref_id,
            "maxDataPoints": str(query.max_data_points),
            "intervalMs": str(query.interval_ms),
            "modelJson": query.json,
        }
        for query in request.queries
    ] == expected["queries"]


BY_UID = '{"refId":"A","datasource":{"uid":"two","type":"probe-datasource"}}'


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        (f"[{BY_UID}]", True),
        ('[{"datasource":"two"}]', True),
        (f'[{{"datasourceId":1}},{BY_UID}]', True),
        ('[{"datasource":{"uid":"two"},"datasourceId":1}]', True),
        ('[{"datasourceId":1}]', False),
        ('[{"datasource":"its name","datasourceId":1}]', False),
        ('[{"datasource":null,"datasourceId":1}]', False),
        ('[{"datasource":{"type":"x"},"datasourceId":1}]', False),
        ('[{"datasource":{"uid":""}}]', False),
        ('[7,null,"two"]', False),
        ("[]", False),
    ],
)
def test_a_request_speaks_the_newer_form_if_it_names_a_data_source_by_uid(
    queries: str, expected: bool
) -> None:
    elements = read_json(queries)
    assert isinstance(elements, list)
    assert names_by_uid(elements) is expected


def test_queries_by_uid_by_text_and_by_id_meet_at_their_data_source() -> None:
    second, first = planned(
        f'[{BY_UID},{{"refId":"B","datasource":"one"}},{{"refId":"C","datasourceId":2}}]', how=plan_by_uid
    )
    assert (second.data_source.uid, [query.ref_id for query in second.queries]) == ("two", ["A", "C"])
    assert (first.data_source.uid, [query.ref_id for query in first.queries]) == ("one", ["B"])
    assert second.context.user is USER


@pytest.mark.parametrize("query", ["{}", '{"datasourceId":0}', '{"datasourceId":"1"}', '{"datasource":{}}'])
def test_the_newer_form_needs_a_data_source_for_every_query(query: str) -> None:
    with pytest.raises(BadRequest, match="valid data source identifier") as caught:
        planned(f"[{BY_UID},{query}]", how=plan_by_uid)
    assert caught.value.message_id == "query.invalidDatasourceId"


@pytest.mark.parametrize("query", ['{"datasource":{"uid":"three"}}', '{"datasourceId":3}'])
def test_an_unknown_data_source_of_the_newer_form_is_not_found(query: str) -> None:
    with pytest.raises(NotFound, match=r"^Data source not found$"):
        planned(f"[{query}]", how=plan_by_uid)


@pytest.mark.parametrize("how", [plan_by_id, plan_by_uid])
def test_expressions_are_refused_by_name(how: Plan) -> None:
    with pytest.raises(BadRequest, match="__expr__"):
        planned('[{"datasource":"__expr__"}]', how=how)


def test_a_query_brings_its_type_and_may_bring_its_own_range() -> None:
    (request,) = planned(
        '[{"refId":"A","datasourceId":1,"queryType":"search","timeRange":{"from":"5","to":"6"}},'
        '{"refId":"B","datasourceId":1,"queryType":7,"timeRange":{"from":5}}]',
        how=plan_by_id,
    )
    own, plain = request.queries
    assert (own.query_type, own.time_range) == ("search", TimeRange(5, 6, "5", "6"))
    assert (plain.query_type, plain.time_range) == ("", None)


@pytest.mark.parametrize("second", ['{"refId":"B"}', '{"datasourceId":"1"}', "7"])
def test_every_query_of_grafana_7_names_its_data_source_by_id(second: str) -> None:
    with pytest.raises(BadRequest, match=r"^Query missing data source ID$"):
        planned(f'[{{"datasourceId":1}},{second}]', how=plan_by_id)


def test_over_the_route_of_grafana_7_a_type_stays_in_the_model() -> None:
    (request,) = planned('[{"datasourceId":1,"queryType":"search"}]')
    (query,) = request.queries
    assert query.query_type == ""
    assert '"queryType":"search"' in query.json


def test_each_data_source_gets_the_headers_that_are_for_it() -> None:
    queries = read_json('[{"datasourceId":1},{"refId":"B","datasourceId":2}]')
    assert isinstance(queries, list)
    asked = Asked("1", "2", queries, headers=lambda source: {"http_For": source.uid})
    requests = plan(asked, sources=SOURCES, now=NOW)
    assert [request.headers for request in requests] == [{"http_For": "one"}, {"http_For": "two"}]
