"""Which data source gets which queries.

Three forms of request name data sources: `/api/tsdb/query` by id in the first query, `/api/ds/query` of
Grafana 7 by id in every query, and that of Grafana 8 and later by uid. In all of them each query goes to the
data source it names, and each data source is asked once; Grafana up to 7 sends every query to the data source
of the first one.

Sources: grafana 7.5, pkg/api/metrics.go `QueryMetrics` and `QueryMetricsV2`; grafana 9.4,
pkg/services/query/query.go `parseMetricRequest`; and bitly/go-simplejson, whose `MustInt64(default)` takes a
number literal without point or exponent and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from graftage.backend.context import DataSourceSettings, User, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.data.canonical_json import Number, write_json
from graftage.errors import BadRequest, NotFound
from graftage.query.time_range import parse_range

DEFAULT_REF_ID: Final = "A"
DEFAULT_INTERVAL_MS: Final = 1000
DEFAULT_MAX_DATA_POINTS: Final = 100
EXPRESSION_UID: Final = "__expr__"

_MAX_INT64: Final = 2**63 - 1
_INT64_DIGITS: Final = 19

_Keys = Mapping[str, Any]


class DataSources(Protocol):
    """Where data sources are looked up; None means that there is none."""

    def by_id(self, data_source_id: int) -> DataSourceSettings | None: ...
    def by_uid(self, uid: str) -> DataSourceSettings | None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent.

    queries: JSON values as `canonical_json.read_json` gives them. headers: what goes with the call to a data
    source.
    """

    from_raw: str
    to_raw: str
    queries: Sequence[object]
    user: User | None = None
    headers: Callable[[DataSourceSettings], Mapping[str, str]] = lambda source: {}


def names_by_uid(queries: Sequence[object]) -> bool:
    """Does a request speak as Grafana 8 and later do: does a query name its data source by uid?

    Grafana 7 wrote the *name* of a data source under the same key, beside its id.
    """
    return any(_uid(_keys(model)) is not None for model in queries)


def plan(asked: Asked, *, sources: DataSources, now: datetime) -> tuple[QueryRequest, ...]:
    """The requests of `/api/tsdb/query`, one per data source, in the order in which queries first name them.

    A query that names none follows the first. Its type stays in its model, as in Grafana. Raises BadRequest
    with Grafana's texts where it has one.
    """
    if not asked.queries:
        raise BadRequest("No queries found in query")
    first = _int64(_keys(asked.queries[0]).get("datasourceId"))

    def refer(keys: _Keys) -> int:
        named = _int64(keys.get("datasourceId"))
        named = first if named is None else named
        if named is None:
            raise BadRequest("Query missing datasourceId")
        return named

    requests = _requests(asked, refer, _finder_by_id(sources), now)
    return tuple(replace(request, queries=tuple(map(_untyped, request.queries))) for request in requests)


def _untyped(query: Query) -> Query:
    return replace(query, query_type="") if query.query_type else query


def plan_by_id(asked: Asked, *, sources: DataSources, now: datetime) -> tuple[QueryRequest, ...]:
    """The requests of `/api/ds/query` as Grafana 7 has it. Raises BadRequest."""
    if not asked.queries:
        raise BadRequest("No queries found in query")

    def refer(keys: _Keys) -> int:
        if keys.get("datasource") == EXPRESSION_UID:
            raise _no_expressions()
        named = _int64(keys.get("datasourceId"))
        if named is None:
            raise BadRequest("Query missing data source ID")
        return named

    return _requests(asked, refer, _finder_by_id(sources), now)


def plan_by_uid(asked: Asked, *, sources: DataSources, now: datetime) -> tuple[QueryRequest, ...]:
    """The requests of `/api/ds/query` as Grafana has it since version 8. Raises BadRequest and NotFound."""

    def refer(keys: _Keys) -> str | int:
        uid = _uid(keys)
        if uid == EXPRESSION_UID:
            raise _no_expressions()
        if uid is not None:
            return uid
        named = _int64(keys.get("datasourceId"))
        if named is None or named <= 0:
            raise BadRequest(
                "Query does not contain a valid data source identifier",
                message_id="query.invalidDatasourceId",
            )
        return named

    def find(reference: str | int) -> DataSourceSettings:
        found = sources.by_uid(reference) if isinstance(reference, str) else sources.by_id(reference)
        if found is None:
            raise NotFound("Data source not found")
        return found

    return _requests(asked, refer, find, now)


def _finder_by_id(sources: DataSources) -> Callable[[str | int], DataSourceSettings]:
    def find(reference: str | int) -> DataSourceSettings:
        found = sources.by_id(int(reference))
        if found is None:
            raise BadRequest("Invalid data source ID")
        return found

    return find


def _requests(
    asked: Asked,
    refer: Callable[[_Keys], str | int],
    find: Callable[[str | int], DataSourceSettings],
    now: datetime,
) -> tuple[QueryRequest, ...]:
    """refer: what a query says of its data source. Both functions raise for what they cannot accept."""
    references = []
    for position, model in enumerate(asked.queries):
        if model is None:
            raise BadRequest(
                f"queries[{position}] is null; expected an object with a refId and a data source"
            )
        references.append(refer(_keys(model)))
    time_range = parse_range(asked.from_raw, asked.to_raw, now=now)
    grouped: dict[int, tuple[DataSourceSettings, list[Query]]] = {}
    for reference, model in zip(references, asked.queries, strict=True):
        settings = find(reference)
        grouped.setdefault(settings.id, (settings, []))[1].append(_query(model, now))
    return tuple(
        QueryRequest(
            time_range, context_of(settings, user=asked.user), tuple(queries), asked.headers(settings)
        )
        for settings, queries in grouped.values()
    )


def _query(model: object, now: datetime) -> Query:
    keys = _keys(model)
    interval_ms = _int64(keys.get("intervalMs"))
    max_data_points = _int64(keys.get("maxDataPoints"))
    ref_id = _text(keys.get("refId"))
    return Query(
        ref_id=DEFAULT_REF_ID if ref_id is None else ref_id,
        json=write_json(model),
        interval_ms=DEFAULT_INTERVAL_MS if interval_ms is None else interval_ms,
        max_data_points=DEFAULT_MAX_DATA_POINTS if max_data_points is None else max_data_points,
        query_type=_text(keys.get("queryType")) or "",
        time_range=_own_range(keys, now),
    )


def _own_range(keys: _Keys, now: datetime) -> TimeRange | None:
    """The range that a query brings itself: both its ends are texts."""
    own = keys.get("timeRange")
    if not isinstance(own, dict):
        return None
    start, end = _text(own.get("from")), _text(own.get("to"))
    return None if start is None or end is None else parse_range(start, end, now=now)


def _uid(keys: _Keys) -> str | None:
    named = keys.get("datasource")
    if isinstance(named, dict):
        return _text(named.get("uid")) or None
    return None if "datasourceId" in keys else _text(named) or None


def _keys(model: object) -> _Keys:
    """Anything that is no object behaves as an object without keys, as in Grafana."""
    return model if isinstance(model, dict) else {}


def _text(value: object) -> str | None:
    """A JSON string; a Number is a str as well."""
    return value if isinstance(value, str) and not isinstance(value, Number) else None


def _int64(value: object) -> int | None:
    """The value of an integer literal that 64 bits hold; None for anything else, `1.0` and `"1"` included."""
    if not isinstance(value, Number):
        return None
    digits = value.removeprefix("-")
    if len(digits) > _INT64_DIGITS or not digits.isdigit():
        return None
    number = int(value)
    return number if -_MAX_INT64 - 1 <= number <= _MAX_INT64 else None


def _no_expressions() -> BadRequest:
    return BadRequest(
        "server-side expressions (__expr__) are not available here; query the data sources themselves"
    )
