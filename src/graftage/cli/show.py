"""An answer for people (tables, sparklines) and for spreadsheets (CSV)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TextIO, TypeGuard

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from graftage.cli.answer import Answer, Frame, Result, Series, is_series, series_of

BARS = "▁▂▃▄▅▆▇█"
CHART_WIDTH = 32
MOST_ROWS = 1000  # a screen is for looking; the other formats print everything
PIPE_WIDTH = 10_000  # a pipe has no width: never cut a cell for it
LONG = ("name", "labels", "time", "value")


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
        series = [one for frame in result.frames for one in series_of(frame)]
        if series:
            parts += [_heading(ref_id, _span(series)), _series_table(series, charts=charts)]
        tables = _tables(result)
        for frame in tables:
            note = ", ".join(filter(None, (printable(frame.schema.name), _rows(len(frame)))))
            parts += [_heading(ref_id, note), _frame_table(frame)]
        if not series and not tables and not result.error:
            parts.append(Text(f"{printable(ref_id)}: no data"))
    return Group(*parts)


def write_csv(file: TextIO, answer: Answer) -> None:
    """The answer as RFC 4180 text: series in long form, or the rows of other frames.

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
    labelled = any(one.labels for one in series)
    table = Table(header_style="dim")
    table.add_column("series", overflow="fold")
    if labelled:
        table.add_column("labels", overflow="fold")
    for name in ("points", "lowest", "mean", "highest", "last"):
        table.add_column(name, justify="right")
    if charts:
        table.add_column("", no_wrap=True)
    for one in series:
        known = [value for value in one.values if value is not None]
        numbers = (min(known), _mean(one.values), max(known)) if known else (None, None, None)
        last = one.values[-1] if one.values else None
        table.add_row(
            printable(one.name),
            *([printable(labels(one.labels))] if labelled else []),
            str(len(one.values)),
            *(_short(number) for number in (*numbers, last)),
            *([Text(sparkline(one.values), style="cyan")] if charts else []),
        )
    return table


def _frame_table(frame: Frame) -> Table:
    table = Table(header_style="dim")
    for name, field in zip(_names(frame), frame.schema.fields, strict=True):
        table.add_column(printable(name), justify="right" if field.is_number else "left", overflow="fold")
    for row in islice(_cells(frame), MOST_ROWS):
        table.add_row(*map(_cell, row))
    if len(frame) > MOST_ROWS:
        table.caption = f"only the first {MOST_ROWS} rows: --format csv prints all {len(frame)}"
    return table


def _heading(ref_id: str, note: str) -> Text:
    return Text.assemble((printable(ref_id), "bold"), (f"  {note}", "dim"))


def _span(series: Iterable[Series]) -> str:
    """From when to when, and how far apart the points of the longest series are, if they go forward."""
    longest = max((one.times for one in series), key=len, default=())
    times = [time for time in longest if _is_number(time)]
    if not times:
        return ""
    text = f"{_moment(times[0])} to {_moment(times[-1])}"
    if times[-1] > times[0]:
        text += f", every {timedelta(milliseconds=(times[-1] - times[0]) / (len(times) - 1))}"
    return text


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _tables(result: Result) -> list[Frame]:
    """The frames that are no time series, without those that have no fields."""
    return [frame for frame in result.frames if frame.schema.fields and not is_series(frame)]


def _blocks(result: Result) -> Iterator[tuple[tuple[str, ...], Iterable[Iterable[object]]]]:
    """Header and rows of each series and table."""
    for frame in result.frames:
        for one in series_of(frame):
            tags = json.dumps(dict(one.labels), ensure_ascii=False) if one.labels else ""
            times = (None if time is None else _moment(time) for time in one.times)
            rows = zip(times, one.values, strict=True)
            yield LONG, [(one.name, tags, time, value) for time, value in rows]
    for frame in _tables(result):
        yield _names(frame), _cells(frame)


def _names(frame: Frame) -> tuple[str, ...]:
    """Of the columns, with the labels that tell columns of one name apart."""
    return tuple(
        f"{field.shown_name} {{{labels(field.labels)}}}" if field.labels else field.shown_name
        for field in frame.schema.fields
    )


def _cells(frame: Frame) -> Iterator[tuple[object, ...]]:
    """The rows, with times as texts."""
    columns = (
        [None if value is None else _moment(value) for value in column] if field.is_time else column
        for field, column in zip(frame.schema.fields, frame.data.values, strict=True)
    )
    return zip(*columns, strict=True)


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
