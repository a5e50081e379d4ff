"""Macros and variables in queries. What they become for SQLite and DuckDB is run there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
import sqlglot

from graftage.errors import PluginFault
from graftage.sdk.interval import InvalidInterval
from graftage.sdk.macros import MacroError
from graftage.sdk.query import Query, TimeRange
from graftage.sdk.sql_dialects import DIALECTS
from support.http_sources import settings

START = datetime(2026, 3, 7, 13, 5, 9, tzinfo=UTC)
END = datetime(2026, 3, 8, 1, 30, 0, 250_000, tzinfo=UTC)


def ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def query(model: Any = None, *, interval: timedelta = timedelta(seconds=90)) -> Query[Any]:
    span = TimeRange(ms(START), ms(END))
    return Query("A", model or {}, span, settings(), interval=interval, max_data_points=500)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$__timeFrom(ts)", "ts >= '2026-03-07T13:05:09Z'"),
        ("$__timeTo(ts)", "ts <= '2026-03-08T01:30:00.250Z'"),
        ("$__timeFilter(ts)", "ts >= '2026-03-07T13:05:09Z' AND ts <= '2026-03-08T01:30:00.250Z'"),
        ("rate(x[$__interval])", "rate(x[1m])"),
        ("$__interval_ms/$__interval", "90000/1m"),
        ("${__interval} ${__interval_ms}", "1m 90000"),
        ("$__table.$__column", '"public"."m""s"."c"'),
        ("${__from} $__to", f"{ms(START)} {ms(END)}"),
        ("${__from:date} ${__to:date:iso}", "2026-03-07T13:05:09.000Z 2026-03-08T01:30:00.250Z"),
        ("${__from:date:seconds}", str(ms(START) // 1000)),
        ("${__from:date:YYYY-MM-DD HH:mm:ss}", "2026-03-07 13:05:09"),
        ("${__to:date:D.M.YY h:mm A}", "8.3.26 1:30 AM"),
        ("${__from:date:[week of] dddd, MMMM D}", "week of Saturday, March 7"),
        (
            "${__other} $__unknown(1) $__intervals ${x} $5 $",
            "${__other} $__unknown(1) $__intervals ${x} $5 $",
        ),
    ],
)
def test_a_macro_becomes_what_it_stands_for(text, expanded):
    assert query({"table": 'public.m"s', "column": "c"}).expand(text) == expanded


@pytest.mark.parametrize(
    ("column", "expanded"),
    [
        ("coalesce(a, f(b))", "coalesce(a, f(b)) >="),
        ("  ts  ", "ts >="),
        ("$__column", '"c" >='),
        ("json(x, ')')", "json(x, ')') >="),
        ('"a,(b"', '"a,(b" >='),
        ("a\n", "a >="),
    ],
)
def test_parentheses_macros_and_quotes_may_be_nested(column, expanded):
    assert query({"column": "c"}).expand(f"$__timeFrom({column}) x").startswith(expanded)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT $__timeFilter(f(ts)", r"\$__timeFilter has a '\(' without its '\)'"),
        ("$__timeFilter", "takes 1 argument, not 0"),
        ("$__timeFilter(a, b)", "takes 1 argument, not 2"),
        ("$__timeGroup(a)", "takes 2 arguments, not 1"),
        ("$__timeGroup(a, '0s')", "cannot group by '0s'"),
        ("$__table", "the table of the query, which has none"),
    ],
)
def test_a_macro_that_cannot_be_understood_is_told(text, complaint):
    with pytest.raises(MacroError, match=complaint):
        query().expand(text, dialect="sqlite")


def test_a_width_that_is_no_interval_is_told():
    with pytest.raises(InvalidInterval, match="fortnight"):
        query().expand("$__timeGroup(ts, fortnight)", dialect="sqlite")


def test_macros_of_a_plugin_come_first_and_may_have_longer_names():
    own = {
        "interval": lambda query, arguments: "mine",
        "timeFilterEpoch": lambda query, arguments: f"{arguments}",
        "from": lambda query, arguments: query.ref_id,
    }
    text = "$__interval $__interval_ms $__timeFilterEpoch(a, $__interval) $__from ${__from}"
    assert query().expand(text, macros=own) == f"mine 90000 ['a', 'mine'] A {ms(START)}"


def test_what_a_macro_becomes_is_not_searched_for_macros():
    assert query().expand("$__x", macros={"x": lambda query, arguments: "$__interval"}) == "$__interval"


def test_a_model_of_the_authors_own_type_has_names_too():
    @dataclass
    class Model:
        table: str

    assert query(Model("m")).expand("$__table", dialect="mysql") == "`m`"


def test_grouping_without_a_dialect_is_the_plugins_fault():
    with pytest.raises(PluginFault, match="postgres, duckdb, mysql"):
        query().expand("$__timeGroup(ts, hour)")
    with pytest.raises(PluginFault, match="'oracle'"):
        query().expand("", dialect="oracle")  # type: ignore[arg-type]


MSSQL_START = "(DATEDIFF_BIG(millisecond, '1970-01-01', ts) / 300000 * 300000)"
MSSQL_5_MINUTES = (
    f"DATEADD(millisecond, {MSSQL_START} % 86400000, "
    f"DATEADD(day, {MSSQL_START} / 86400000, CAST('1970-01-01' AS datetime2(3))))"
)


@pytest.mark.parametrize(
    ("dialect", "width", "sql"),
    [
        ("postgres", "hour", "date_trunc('hour', ts)"),
        ("postgres", "'5m'", "to_timestamp(floor(extract(epoch from ts) / 300) * 300)"),
        ("postgres", "250ms", "to_timestamp(floor(extract(epoch from ts) / 0.25) * 0.25)"),
        ("mysql", "hour", "CAST(DATE_FORMAT(ts, '%Y-%m-%d %H:00:00') AS DATETIME)"),
        ("mysql", "5m", "FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP(ts) / 300) * 300)"),
        ("mssql", "month", "DATEADD(month, DATEDIFF(month, 0, ts), 0)"),
        ("mssql", "5m", MSSQL_5_MINUTES),
        ("clickhouse", "year", "toStartOfYear(ts)"),
        ("clickhouse", "$__interval", "toStartOfInterval(ts, INTERVAL 60 second)"),
        ("clickhouse", "250ms", "toStartOfInterval(toDateTime64(ts, 3), INTERVAL 250 millisecond)"),
    ],
)
def test_a_group_is_written_in_the_dialect(dialect, width, sql):
    assert query().expand(f"$__timeGroup(ts, {width})", dialect=dialect) == sql


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("mysql", f"ts >= FROM_UNIXTIME({ms(START) // 1000}) AND ts <= FROM_UNIXTIME({ms(END) / 1000})"),
        (
            "clickhouse",
            f"ts >= fromUnixTimestamp64Milli({ms(START)}) AND ts <= fromUnixTimestamp64Milli({ms(END)})",
        ),
        ("mssql", "ts >= '2026-03-07T13:05:09Z' AND ts <= '2026-03-08T01:30:00.250Z'"),
    ],
)
def test_a_filter_is_written_in_the_dialect(dialect, sql):
    assert query().expand("$__timeFilter(ts)", dialect=dialect) == sql


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("width", ["minute", "hour", "day", "month", "year", "90s", "250ms", "30d"])
def test_every_dialect_groups_by_every_width_in_sql_that_parses(dialect, width):
    text = f"SELECT $__timeGroup(ts, {width}), $__column FROM $__table WHERE $__timeFilter(ts)"
    sql = query({"table": "obs", "column": "rain"}).expand(text, dialect=dialect)
    (statement,) = sqlglot.parse(sql, dialect={"mssql": "tsql"}.get(dialect, dialect))
    assert {column.name for column in statement.find_all(sqlglot.exp.Column)} == {"ts", "rain"}


TIMES = [START - timedelta(seconds=1), START, START + timedelta(hours=5), END, END + timedelta(seconds=1)]
GROUPS = [
    ("minute", "2026-03-07T18:05:00"),
    ("hour", "2026-03-07T18:00:00"),
    ("day", "2026-03-07T00:00:00"),
    ("month", "2026-03-01T00:00:00"),
    ("year", "2026-01-01T00:00:00"),
    ("'15m'", "2026-03-07T18:00:00"),
    ("$__interval", "2026-03-07T18:05:00"),
]


@pytest.mark.parametrize("stored", ["text", "seconds"])
@pytest.mark.parametrize(("width", "start"), GROUPS)
def test_sqlite_runs_filter_and_group(stored, width, start):
    rows = [(int(time.timestamp()) if stored == "seconds" else time.isoformat(),) for time in TIMES]
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE obs (ts)")
        db.executemany("INSERT INTO obs VALUES (?)", rows)
        sql = query().expand(
            f"SELECT $__timeGroup(ts, {width}) FROM obs WHERE $__timeFilter(ts) ORDER BY ts", dialect="sqlite"
        )
        got = [row[0] for row in db.execute(sql)]
    assert len(got) == 3
    assert got[1] == f"{start}Z"


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
@pytest.mark.parametrize(("width", "start"), GROUPS)
def test_duckdb_runs_filter_and_group(kind, width, start):
    with duckdb.connect(":memory:") as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(f"CREATE TABLE obs (ts {kind})")
        db.executemany("INSERT INTO obs VALUES (?)", [(time.replace(tzinfo=None),) for time in TIMES])
        sql = query().expand(
            f"SELECT $__timeGroup(ts, {width}) AS g FROM obs WHERE $__timeFilter(ts) ORDER BY ts",
            dialect="duckdb",
        )
        got = db.execute(f"SELECT strftime(g, '%Y-%m-%dT%H:%M:%S') FROM ({sql})").fetchall()
    assert len(got) == 3
    assert got[1] == (start,)


def test_parameters_are_bound():
    given = query().parameters()
    assert given == {
        "from": START, "to": END, "from_ms": ms(START), "to_ms": ms(END), "interval_ms": 90_000,
        "max_data_points": 500,
    }  # fmt: skip
    with closing(sqlite3.connect(":memory:")) as db:
        assert db.execute("SELECT :to_ms - :from_ms", given).fetchone() == (ms(END) - ms(START),)
