"""Macros and global variables in the text of a query.

    $__timeFilter(ts)          ts >= '2026-01-01T00:00:00Z' AND ts <= '2026-01-01T06:00:00Z'
    $__timeFrom(ts)            ts >= '2026-01-01T00:00:00Z'
    $__timeTo(ts)              ts <= '2026-01-01T06:00:00Z'
    $__timeGroup(ts, hour)     the start of the hour, as the dialect writes that; also '5m', $__interval
    $__interval                1m
    $__interval_ms             60000
    $__table, $__column        the names in the query's model, quoted
    ${__from}, ${__to}         milliseconds since 1970; `:date`, `:date:iso`, `:date:seconds`,
                               `:date:YYYY-MM-DD` for other forms

The browser replaces variables before a panel asks; for alert rules nobody does, unless the plugin does this.
Only times, numbers and quoted names are put into the text.

Source: grafana/grafana-plugin-sdk-go, data/sqlutil/macros.go and experimental/macros; Grafana's documentation
of global variables. Unlike there, what a macro becomes is not searched for macros again, and parentheses and
commas in quotes are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graftage.errors import PluginFault
from graftage.sdk.date_patterns import by_pattern, iso
from graftage.sdk.errors import DownstreamError
from graftage.sdk.interval import interval_text, parse_interval
from graftage.sdk.sql_dialects import DIALECTS, UNITS, Dialect, Sql, milliseconds, rfc3339

if TYPE_CHECKING:
    from graftage.sdk.query import Query

Macro: TypeAlias = "Callable[[Query[Any], Sequence[str]], str]"

_MILLISECOND: Final = timedelta(milliseconds=1)
# A name ends where it can go on no more, so that `interval_ms` is not `interval` with something behind it.
_START: Final = re.compile(r"\$(?:\{__(\w+)(?::([^}]*))?\}|__(\w+))")
_ARGUMENT_PIECE: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|.""", re.DOTALL)


class MacroError(DownstreamError):
    """A macro that cannot be understood. Whoever wrote the query has to change it."""


def expand(
    text: str,
    query: Query[Any],
    *,
    dialect: Dialect | None = None,
    macros: Mapping[str, Macro] | None = None,
) -> str:
    """The text with its macros and variables replaced; names that are not known stay as they are.

    dialect: whose SQL it is; only `timeGroup` cannot do without. macros: the plugin's own by name, without
    `$__`, which come before ours of the same name; each gets the query and its arguments, whose macros are
    replaced already, and returns text that is put in as it is. Raises MacroError.
    """
    if dialect is not None and dialect not in DIALECTS:
        raise PluginFault(f"no SQL dialect is called {dialect!r}; expected one of {', '.join(DIALECTS)}")
    return _Expansion(query, DIALECTS[dialect] if dialect else _ANY, {**_OWN, **(macros or {})}).of(text)


def parameters(query: Query[Any]) -> dict[str, Any]:
    """Values to bind by name, which is safer than any text: `WHERE ts BETWEEN :from AND :to`.

    from, to: aware datetimes in UTC; from_ms, to_ms, interval_ms: whole numbers; max_data_points.
    """
    return {
        "from": query.time_range.start,
        "to": query.time_range.end,
        "from_ms": query.time_range.from_ms,
        "to_ms": query.time_range.to_ms,
        "interval_ms": query.interval // _MILLISECOND,
        "max_data_points": query.max_data_points,
    }


class _Expansion:
    def __init__(self, query: Query[Any], sql: Sql, macros: Mapping[str, Macro | _SqlMacro]) -> None:
        self._query = query
        self._sql = sql
        self._macros = macros

    def of(self, text: str) -> str:
        pieces, place = [], 0
        while match := _START.search(text, place):
            pieces.append(text[place : match.start()])
            replacement, place = self._replacement(text, match)
            pieces.append(replacement)
        return "".join((*pieces, text[place:]))

    def _replacement(self, text: str, match: re.Match[str]) -> tuple[str, int]:
        """What stands for a match, and where the text goes on after it."""
        variable, form, name = match.groups()
        if variable or (name in _MOMENTS and name not in self._macros):
            value = _variable(variable or name, form or "", self._query)
            return match[0] if value is None else value, match.end()
        macro = self._macros.get(name)
        if macro is None:
            return match[0], match.end()
        arguments, end = self._arguments(text, match)
        if isinstance(macro, _SqlMacro):
            return macro.write(self._sql, self._query, _counted(name, arguments, macro.arguments)), end
        return macro(self._query, arguments), end

    def _arguments(self, text: str, match: re.Match[str]) -> tuple[list[str], int]:
        """The arguments behind a name, none without a parenthesis, and where the text goes on."""
        if not text.startswith("(", match.end()):
            return [], match.end()
        depth, arguments = 0, [""]
        for piece in _ARGUMENT_PIECE.finditer(text, match.end()):
            depth += (piece[0] == "(") - (piece[0] == ")")
            if depth == 0:
                return [self.of(argument.strip()) for argument in arguments], piece.end()
            if piece[0] == "," and depth == 1:
                arguments.append("")
            elif piece.start() > match.end():
                arguments[-1] += piece[0]
        raise MacroError(f"the macro {match[0]} has a '(' without its ')'; close it")


class _SqlMacro:
    """arguments: how many it takes; None for any number, as it looks at none."""

    def __init__(
        self, write: Callable[[Sql, Query[Any], Sequence[str]], str], arguments: int | None = None
    ) -> None:
        self.write = write
        self.arguments = arguments


def _counted(name: str, arguments: Sequence[str], expected: int | None) -> Sequence[str]:
    if expected is not None and len(arguments) != expected:
        raise MacroError(
            f"the macro $__{name} takes {expected} argument{'s' * (expected > 1)}, not {len(arguments)}"
        )
    return arguments


def _from(sql: Sql, query: Query[Any], arguments: Sequence[str]) -> str:
    return f"{sql.column(arguments[0])} >= {sql.time(query.time_range.start)}"


def _to(sql: Sql, query: Query[Any], arguments: Sequence[str]) -> str:
    return f"{sql.column(arguments[0])} <= {sql.time(query.time_range.end)}"


def _filter(sql: Sql, query: Query[Any], arguments: Sequence[str]) -> str:
    return f"{_from(sql, query, arguments)} AND {_to(sql, query, arguments)}"


def _group(sql: Sql, query: Query[Any], arguments: Sequence[str]) -> str:
    column, width = arguments[0], arguments[1].strip("'\"")
    if width in UNITS:
        return sql.unit(column, width)
    size = parse_interval(width) // _MILLISECOND
    if size < 1:
        raise MacroError(f"$__timeGroup cannot group by {width!r}; expected an interval from 1ms on")
    return sql.interval(column, size)


def _named(key: str) -> _SqlMacro:
    """The name that the query's model has under this key."""

    def write(sql: Sql, query: Query[Any], _: Sequence[str]) -> str:
        model = query.model
        name = model.get(key) if isinstance(model, Mapping) else getattr(model, key, None)
        if not isinstance(name, str) or not name:
            raise MacroError(f"$__{key} stands for the {key} of the query, which has none")
        return sql.name(name)

    return _SqlMacro(write)


def _no_group(*_: object) -> str:
    raise PluginFault(
        f"$__timeGroup differs from database to database: expand(dialect=...) of {', '.join(DIALECTS)}"
    )


_ANY: Final = Sql(rfc3339, _no_group, _no_group)
_OWN: Final[Mapping[str, _SqlMacro]] = {
    "timeFilter": _SqlMacro(_filter, 1),
    "timeFrom": _SqlMacro(_from, 1),
    "timeTo": _SqlMacro(_to, 1),
    "timeGroup": _SqlMacro(_group, 2),
    "interval": _SqlMacro(lambda sql, query, arguments: interval_text(query.interval)),
    "interval_ms": _SqlMacro(lambda sql, query, arguments: str(query.interval // _MILLISECOND)),
    "table": _named("table"),
    "column": _named("column"),
}
_MOMENTS: Final = ("from", "to")


def _variable(name: str, form: str, query: Query[Any]) -> str | None:
    """The value of `${__name:form}`; None for what is no variable of ours."""
    match name:
        case "from":
            return _moment(query.time_range.start, form)
        case "to":
            return _moment(query.time_range.end, form)
        case "interval":
            return interval_text(query.interval)
        case "interval_ms":
            return str(query.interval // _MILLISECOND)
    return None


def _moment(time: datetime, form: str) -> str:
    kind, _, pattern = form.partition(":")
    if kind != "date":
        return str(milliseconds(time))
    match pattern:
        case "" | "iso":
            return iso(time)
        case "seconds":
            return str(milliseconds(time) // 1000)
        case _:
            return by_pattern(time, pattern)
