"""How times and groups of times are written in the SQL of each database.

A time column is one of the database's own type (of SQLite: a text as its functions understand it, or seconds
since 1970). What is written is valid SQL for whole units of the calendar, and for intervals in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Dialect = Literal["postgres", "mysql", "mssql", "sqlite", "duckdb", "clickhouse"]

UNITS: Final = ("minute", "hour", "day", "month", "year")
_SECOND: Final = 1000


@dataclass(frozen=True, slots=True)
class Sql:
    """time: a moment, to compare a column with. column: what of a column is compared. unit: the start of the
    unit of the calendar that a column is in. interval: the start of the interval of so many milliseconds,
    counted from 1970. quotes: around a name."""

    time: Callable[[datetime], str]
    unit: Callable[[str, str], str]
    interval: Callable[[str, int], str]
    column: Callable[[str], str] = str
    quotes: tuple[str, str] = ('"', '"')

    def name(self, text: str) -> str:
        """A name, or names with dots between them, as such and nothing else."""
        before, after = self.quotes
        return ".".join(f"{before}{part.replace(after, after * 2)}{after}" for part in text.split("."))


def milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def rfc3339(time: datetime) -> str:
    """Quoted, in UTC, with milliseconds where there are some."""
    precision = "milliseconds" if time.microsecond else "seconds"
    return f"'{time.replace(tzinfo=None).isoformat(timespec=precision)}Z'"


def _truncated(column: str, unit: str) -> str:
    return f"date_trunc('{unit}', {column})"


def _postgres_interval(column: str, size: int) -> str:
    step = f"{size / _SECOND:.15g}"
    return f"to_timestamp(floor(extract(epoch from {column}) / {step}) * {step})"


def _duckdb_interval(column: str, size: int) -> str:
    return f"time_bucket(INTERVAL {size} MILLISECONDS, {column})"


_MYSQL_STARTS: Final = {
    "minute": "%Y-%m-%d %H:%i:00", "hour": "%Y-%m-%d %H:00:00", "day": "%Y-%m-%d 00:00:00",
    "month": "%Y-%m-01 00:00:00", "year": "%Y-01-01 00:00:00",
}  # fmt: skip


def _mysql_unit(column: str, unit: str) -> str:
    return f"CAST(DATE_FORMAT({column}, '{_MYSQL_STARTS[unit]}') AS DATETIME)"


def _mysql_interval(column: str, size: int) -> str:
    step = f"{size / _SECOND:.15g}"
    return f"FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP({column}) / {step}) * {step})"


def _mssql_unit(column: str, unit: str) -> str:
    return f"DATEADD({unit}, DATEDIFF({unit}, 0, {column}), 0)"


def _mssql_interval(column: str, size: int) -> str:
    # DATEADD takes numbers of 32 bits: the days are added first.
    start = f"(DATEDIFF_BIG(millisecond, '1970-01-01', {column}) / {size} * {size})"
    days = f"DATEADD(day, {start} / 86400000, CAST('1970-01-01' AS datetime2(3)))"
    return f"DATEADD(millisecond, {start} % 86400000, {days})"


_SQLITE_STARTS: Final = {
    "minute": "%Y-%m-%dT%H:%M:00Z", "hour": "%Y-%m-%dT%H:00:00Z", "day": "%Y-%m-%dT00:00:00Z",
    "month": "%Y-%m-01T00:00:00Z", "year": "%Y-01-01T00:00:00Z",
}  # fmt: skip


def _sqlite_seconds(column: str) -> str:
    return f"unixepoch({column}, 'auto')"  # 'auto': numbers are seconds since 1970, too; since SQLite 3.38


def _sqlite_unit(column: str, unit: str) -> str:
    return f"strftime('{_SQLITE_STARTS[unit]}', {column}, 'auto')"


def _sqlite_interval(column: str, size: int) -> str:
    step = max(size // _SECOND, 1)
    seconds = f"{_sqlite_seconds(column)} / {step} * {step}"
    return f"strftime('%Y-%m-%dT%H:%M:%SZ', {seconds}, 'unixepoch')"


def _clickhouse_unit(column: str, unit: str) -> str:
    return f"toStartOf{unit.capitalize()}({column})"


def _clickhouse_interval(column: str, size: int) -> str:
    if size % _SECOND:
        return f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {size} millisecond)"
    return f"toStartOfInterval({column}, INTERVAL {size // _SECOND} second)"


DIALECTS: Final[Mapping[str, Sql]] = {
    "postgres": Sql(rfc3339, _truncated, _postgres_interval),
    "duckdb": Sql(rfc3339, _truncated, _duckdb_interval),
    "mysql": Sql(
        # As Grafana does: right for TIMESTAMP in any time zone, and for DATETIME where the session has UTC.
        lambda time: f"FROM_UNIXTIME({milliseconds(time) / _SECOND:.15g})",
        _mysql_unit,
        _mysql_interval,
        quotes=("`", "`"),
    ),
    "mssql": Sql(rfc3339, _mssql_unit, _mssql_interval, quotes=("[", "]")),
    "sqlite": Sql(
        lambda time: str(milliseconds(time) // _SECOND), _sqlite_unit, _sqlite_interval, _sqlite_seconds
    ),
    "clickhouse": Sql(
        lambda time: f"fromUnixTimestamp64Milli({milliseconds(time)})", _clickhouse_unit, _clickhouse_interval
    ),
}
