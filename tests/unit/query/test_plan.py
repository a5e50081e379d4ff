from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graftage.backend.context import DataSourceSettings
from graftage.backend.query import QueryRequest, TimeRange
from graftage.data.canonical_json import read_json
from graftage.errors import BadRequest
from graftage.query.plan import plan

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"
NOW = datetime(2019, 4, 17, tzinfo=UTC)
SOURCES = {number: DataSourceSettings(number, 1, f"source {number}", "probe-datasource") for number in (1, 2)}


def planned(queries: str, *, from_raw: str = "1", to_raw: str = "2") -> tuple[QueryRequest, ...]:
    elements = read_json(queries)
    assert isinstance(elements, list)
    return plan(from_raw, to_raw, elements, data_source=SOURCES.get, now=NOW)


def test_queries_of_one_data_source_are_one_request_in_their_order() -> None:
    (request,) = planned(
        '[{"refId":"B","datasourceId":1},{"refId":"A","datasourceId":1},{"refId":"B","datasourceId":1}]'
    )
    assert [query.ref_id for query in request.queries] == ["B", "A", "B"]
    assert request.data_source is SOURCES[1]
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
    (request,) = plan(
        folded.get("from") or "", folded.get("to") or "", folded["queries"], data_source=SOURCES.get, now=NOW
    )

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
