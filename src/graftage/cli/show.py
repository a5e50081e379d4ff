"""An answer of `/api/tsdb/query` for people (tables, sparklines) and for spreadsheets (CSV).

It reads the answer's JSON and not the structs behind it, so that what a server sent over HTTP and what a
plugin answered directly look the same.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TextIO, TypeGuard

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"
CHART_WIDTH = 32
MOST_ROWS = 1000  # a screen is for looking; the other formats print everything
PIPE_WIDTH = 10_000  # a pipe has no width: never cut a cell for it
LONG = ("name", "labels", "time", "value")


class Series(msgspec.Struct, frozen=True):
    """A series as JSON has it: points of value and milliseconds, a gap as None."""

    name: str = ""
    points: tuple[tuple[float | None, float], ...] = ()
    tags: Mapping[str, str] = {}


class Column(msgspec.Struct, frozen=True):
    text: str = ""


class Cells(msgspec.Struct, frozen=True):
    """A table as JSON has it; rows may differ in length."""

    columns: tuple[Column, ...] | None = None
    rows: tuple[tuple[object, ...], ...] = ()


class Result(msgspec.Struct, frozen=True):
    """What came back under one `ref_id`."""

    error: str = ""
    series: tuple[Series, ...] | None = None
    tables: tuple[Cells, ...] | None = None


class Answer(msgspec.Struct, frozen=True):
    """The whole answer; `results` in the order in which they were sent."""

    results: Mapping[str, Result] = {}
    message: str = ""


_decoder = msgspec.json.Decoder(Answer)


def read_answer(body: bytes) -> Answer:
    """Raises ValueError for anything else than an answer."""
    return _decoder.decode(body)


def console_for(file: TextIO) -> Console:
    """A console as wide as the terminal behind `file`; where there is none, as wide as what is printed."""
    terminal = file.isatty()
    return Console(
        file=file, width=None if terminal else PIPE_WIDTH, markup=False, highlight=False, emoji=False
    )


def render(answer: Answer, *, charts: bool) -> Group:
    """Every result as tables. charts: draw a sparkline for each series."""
    parts: list[RenderableType] = []
    for ref_id, result in answer.results.items():
        if result.series:
            parts += [_heading(ref_id, _span(result.series)), _series_table(result.series, charts=charts)]
        for cells in result.tables or ():
            parts += [_heading(ref_id, _rows(len(cells.rows))), _cells_table(cells)]
        if not result.series and not result.tables and not result.error:
            parts.append(Text(f"{printable(ref_id)}: no data"))
    return Group(*parts)


def errors(answer: Answer) -> Iterator[tuple[str, str]]:
    """The queries that failed: `ref_id` and the error's text."""
    return ((ref_id, result.error) for ref_id, result in answer.results.items() if result.error)


def write_csv(file: TextIO, answer: Answer) -> None:
    """The answer as RFC 4180 text: series in long form, or the rows of tables.

    A file has one header, so `refId` comes first when there are several results. Raises ValueError when an
    answer fits no single header: series beside tables, or tables with different columns.
    """
    blocks = [(ref_id, *block) for ref_id, result in answer.results.items() for block in _blocks(result)]
    headers = {header for _, header, _ in blocks} or {LONG}
    if len(headers) > 1:
        raise ValueError(
            "one CSV text holds one kind of rows, and this answer has several; ask one query at a time"
        )
    several = len(answer.results) > 1
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(("refId", *headers.pop()) if several else headers.pop())
    for ref_id, _, rows in blocks:
        lead = (ref_id,) if several else ()
        writer.writerows((*lead, *map(_field, row)) for row in rows)


def sparkline(values: Sequence[float | None], width: int = CHART_WIDTH) -> str:
    """Values as bars, the lowest lowest. More values than `width` are averaged; a gap is a blank."""
    buckets = [_mean(values[start:end]) for start, end in _spans(len(values), width)]
    known = [value for value in buckets if value is not None]
    if not known:
        return " " * len(buckets)
    low, high = min(known) / 2, max(known) / 2  # halves: their difference is always a number
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else BARS[round((value / 2 - low) * scale)] for value in buckets)


def printable(text: str) -> str:
    """Text of a plugin that cannot steer the terminal: what does not print is written as in Python."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _series_table(series: Sequence[Series], *, charts: bool) -> Table:
    labelled = any(one.tags for one in series)
    table = Table(header_style="dim")
    table.add_column("series", overflow="fold")
    if labelled:
        table.add_column("labels", overflow="fold")
    for name in ("points", "lowest", "mean", "highest", "last"):
        table.add_column(name, justify="right")
    if charts:
        table.add_column("", no_wrap=True)
    for one in series:
        values = [value for value, _ in one.points]
        known = [value for value in values if value is not None]
        numbers = (min(known), _mean(values), max(known)) if known else (None, None, None)
        last = values[-1] if values else None
        table.add_row(
            printable(one.name),
            *([printable(labels(one.tags))] if labelled else []),
            str(len(values)),
            *(_short(number) for number in (*numbers, last)),
            *([Text(sparkline(values), style="cyan")] if charts else []),
        )
    return table


def _cells_table(cells: Cells) -> Table:
    names = _names(cells)
    table = Table(header_style="dim")
    for index, name in enumerate(names):
        numeric = any(_is_number(row[index]) for row in cells.rows[:MOST_ROWS] if index < len(row))
        table.add_column(printable(name), justify="right" if numeric else "left", overflow="fold")
    times = {index for index, name in enumerate(names) if name.casefold() in ("time", "date")}
    for row in cells.rows[:MOST_ROWS]:
        shown = (_moment(cell) if index in times else _cell(cell) for index, cell in enumerate(row))
        table.add_row(*shown)
    if len(cells.rows) > MOST_ROWS:
        table.caption = f"only the first {MOST_ROWS} rows: --format csv prints all {len(cells.rows)}"
    return table


def _heading(ref_id: str, note: str) -> Text:
    return Text.assemble((printable(ref_id), "bold"), (f"  {note}", "dim"))


def _span(series: Iterable[Series]) -> str:
    """From when to when, and how far apart the points of the longest series are, if they go forward."""
    times = max(([time for _, time in one.points] for one in series), key=len, default=[])
    if not times:
        return ""
    text = f"{_moment(times[0])} to {_moment(times[-1])}"
    if times[-1] > times[0]:
        text += f", every {timedelta(milliseconds=(times[-1] - times[0]) / (len(times) - 1))}"
    return text


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _blocks(result: Result) -> Iterator[tuple[tuple[str, ...], Iterable[Iterable[object]]]]:
    """Header and rows of each series and table."""
    for series in result.series or ():
        tags = json.dumps(dict(series.tags), ensure_ascii=False) if series.tags else ""
        yield LONG, [(series.name, tags, _moment(time), value) for value, time in series.points]
    for cells in result.tables or ():
        yield _names(cells), cells.rows


def _names(cells: Cells) -> tuple[str, ...]:
    return tuple(column.text for column in cells.columns or ())


def labels(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(tags.items()))


def _moment(value: object) -> str:
    """Milliseconds since 1970 in UTC; what is none, or lies outside the calendar, as it is."""
    if not _is_number(value):
        return _cell(value)
    try:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=value)
    except OverflowError:
        return str(value)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def _field(value: object) -> object:
    """A cell of CSV. Nothing is an empty cell; a value inside JSON keeps its JSON form."""
    match value:
        case None:
            return ""
        case bool() | dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case float():
            return repr(value).removesuffix(".0")  # as in JSON: a whole number has no point
        case _:
            return value


def _cell(value: object) -> str:
    return "-" if value is None else printable(str(_field(value)))


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spans(length: int, width: int) -> Iterator[tuple[int, int]]:
    """At most `width` spans of nearly the same length that cover a sequence."""
    parts = min(length, width)
    return ((length * part // parts, length * (part + 1) // parts) for part in range(parts))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(value / len(known) for value in known) if known else None
