"""Which data source gets which queries.

Grafana sends every query of a request to the data source of the first one. Here each query goes to the one it
names, and one that names none follows the first; each data source is asked once.

Sources: grafana 7.5, pkg/api/metrics.go `QueryMetrics`, and bitly/go-simplejson, whose `MustInt64(default)`
takes a number literal without point or exponent and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest
from graftage.data.canonical_json import Number, write_json
from graftage.errors import BadRequest
from graftage.query.time_range import parse_range

DEFAULT_REF_ID: Final = "A"
DEFAULT_INTERVAL_MS: Final = 1000
DEFAULT_MAX_DATA_POINTS: Final = 100

_MAX_INT64: Final = 2**63 - 1
_INT64_DIGITS: Final = 19


def plan(
    from_raw: str,
    to_raw: str,
    queries: Sequence[object],
    *,
    data_source: Callable[[int], DataSourceSettings | None],
    now: datetime,
) -> tuple[QueryRequest, ...]:
    """One request per data source, in the order in which the queries first name them.

    queries: JSON values as `canonical_json.read_json` gives them. data_source: the one with this id, None if
    there is none. Raises BadRequest with Grafana's texts where it has one.
    """
    if not queries:
        raise BadRequest("No queries found in query")
    grouped = _by_data_source(queries)
    time_range = parse_range(from_raw, to_raw, now=now)
    requests = []
    for data_source_id, group in grouped.items():
        settings = data_source(data_source_id)
        if settings is None:
            raise BadRequest("Invalid data source ID")
        requests.append(QueryRequest(time_range, context_of(settings), tuple(group)))
    return tuple(requests)


def _by_data_source(queries: Sequence[object]) -> dict[int, list[Query]]:
    first_id: int | None = None
    grouped: dict[int, list[Query]] = {}
    for position, model in enumerate(queries):
        if model is None:
            raise BadRequest(
                f"queries[{position}] is null; expected an object with a refId and a datasourceId"
            )
        # Anything that is no object behaves as an object without keys, as in Grafana.
        keys = model if isinstance(model, dict) else {}
        named_id = _int64(keys.get("datasourceId"))
        if first_id is None:
            if named_id is None:
                raise BadRequest("Query missing datasourceId")
            first_id = named_id
        grouped.setdefault(first_id if named_id is None else named_id, []).append(_query(model, keys))
    return grouped


def _query(model: object, keys: Mapping[str, object]) -> Query:
    ref_id = keys.get("refId")
    interval_ms = _int64(keys.get("intervalMs"))
    max_data_points = _int64(keys.get("maxDataPoints"))
    return Query(
        # A Number is text as well; only a JSON string names a query.
        ref_id=ref_id if isinstance(ref_id, str) and not isinstance(ref_id, Number) else DEFAULT_REF_ID,
        json=write_json(model),
        interval_ms=DEFAULT_INTERVAL_MS if interval_ms is None else interval_ms,
        max_data_points=DEFAULT_MAX_DATA_POINTS if max_data_points is None else max_data_points,
    )


def _int64(value: object) -> int | None:
    """The value of an integer literal that 64 bits hold; None for anything else, `1.0` and `"1"` included."""
    if not isinstance(value, Number):
        return None
    digits = value.removeprefix("-")
    if len(digits) > _INT64_DIGITS or not digits.isdigit():
        return None
    number = int(value)
    return number if -_MAX_INT64 - 1 <= number <= _MAX_INT64 else None
