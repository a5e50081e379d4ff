"""One line on a plugin's stderr: a JSON record of hclog's form, or plain text with a level to guess.

    {"@level":"info","@message":"ready","@module":"clock","@timestamp":"2026-11-22T11:27:32.583984Z","port":1}

Source: hashicorp/go-hclog, intlogger.go (`logJSON`), and hashicorp/go-plugin, client.go (`logStderr`) and
log_entry.go (`parseJSON`). The reference's host crashes on a record whose level or message is no string, and
puts numbers through doubles; neither happens here.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

TRACE = 5  # hclog knows one level below Python's lowest

LEVELS: Mapping[str, int] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}

# A host's reader cuts longer lines into pieces, and a record in pieces loses its level.
LONGEST_RECORD = 64 * 1024 - 1

_PREFIXES = {
    "[TRACE]": TRACE,
    "[DEBUG]": logging.DEBUG,
    "[INFO]": logging.INFO,
    "[WARN]": logging.WARNING,
    "[ERROR]": logging.ERROR,
}
# How Go, Python and Rust begin the report of a crash; every plain line after it belongs to the report.
_PANIC = re.compile(
    r"panic: |fatal error: |Traceback \(most recent call last\):|Fatal Python error: |thread '.*' panicked at"
)
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """What a line says. level: a number of Python's logging. module: the plugin's own logger name, dotted."""

    level: int
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)
    module: str = ""


def read_log_line(line: bytes, *, panicking: bool) -> tuple[LogRecord, bool]:
    """Read one line, given without its line end; any bytes at all have a reading.

    panicking: this process has begun to report a crash; plain lines are errors from then on. The second
    part of the answer is what to pass for the process's next line.
    """
    text = line.decode("utf-8", "replace")
    record = _json_record(text)
    if record is not None:
        return record, panicking
    level = next((level for prefix, level in _PREFIXES.items() if text.startswith(prefix)), None)
    if level is not None:
        return LogRecord(level, text), panicking
    panicking = panicking or _PANIC.match(text) is not None
    return LogRecord(logging.ERROR if panicking else logging.DEBUG, text), panicking


def write_log_record(
    level: int,
    message: str,
    *,
    module: str,
    time: datetime,
    caller: str = "",
    fields: Mapping[str, object] | None = None,
) -> bytes:
    """One record as one line with its LF, short enough for every host to read as a whole.

    time: when it happened, with its zone. caller: `file:line`, empty to leave it out. Values that JSON
    cannot express are written as their text; errors are, too.
    """
    plain = {
        "@level": _level_name(level),
        "@message": message,
        "@timestamp": time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    plain |= {"@module": module} if module else {}
    plain |= {"@caller": caller} if caller else {}
    try:
        line = _line({str(name): _expressible(value) for name, value in (fields or {}).items()} | plain)
    except Exception as error:  # an author's __str__ can raise anything, and must not lose the record
        warning = f"the record's fields cannot be written: {type(error).__name__}"
        line = _line(plain | {"@warn": warning})
    return line if len(line) <= LONGEST_RECORD else _shortened(plain, fields or {})


def _json_record(text: str) -> LogRecord | None:
    """The record in a JSON object; None when the text is anything else."""
    if not text.lstrip(" \t\r\n").startswith("{"):
        return None
    try:
        return _hclog_record(text, _DECODER.decode(text))
    except (ValueError, RecursionError):
        return None


def _hclog_record(text: str, members: dict[str, object]) -> LogRecord | None:
    """The record that an object's members tell; None when its timestamp shows that it is not hclog's."""
    moment = members.pop("@timestamp", None)
    at = _read_timestamp(moment)
    if moment is not None and at is None:
        return None
    name = members.pop("@level", None)
    level = LEVELS.get(name.strip().lower()) if isinstance(name, str) else None
    if level is None:
        return LogRecord(logging.DEBUG, text)
    message = members.pop("@message", "")
    module = members.pop("@module", "")
    if at is not None:
        members["timestamp"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return LogRecord(level, _as_text(message), members, _as_text(module))


def _read_timestamp(value: object) -> datetime | None:
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _exact_int(literal: str) -> int | str:
    """The number; beyond the digits that Python converts at once, its literal."""
    try:
        return int(literal)
    except ValueError:
        return literal


def _exact_float(literal: str) -> float | Decimal | str:
    """A float where that is the very number, else a Decimal; a literal beyond even that stays text."""
    value = float(literal)
    try:
        exact = Decimal(literal)
    except InvalidOperation:
        return literal
    return value if Decimal(repr(value)) == exact else exact


def _reject_constant(literal: str) -> object:
    raise ValueError(f"{literal} is no JSON")


def _whole_characters(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The pairs of an object, where half characters (`\\ud800` alone) could not be printed in a log."""
    return {_whole(name): _whole_value(value) for name, value in pairs}


def _whole_value(value: object) -> object:
    match value:
        case str():
            return _whole(value)
        case list():
            return [_whole_value(item) for item in value]
        case _:
            return value


def _whole(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_whole_characters,
    parse_int=_exact_int,
    parse_float=_exact_float,
    parse_constant=_reject_constant,
)


def _level_name(level: int) -> str:
    return max((least, name) for name, least in LEVELS.items() if least <= max(level, TRACE))[1]


def _expressible(value: object) -> object:
    """The value in terms of JSON. Raises whatever an author's own `__str__` raises."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(name): _expressible(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_expressible(item) for item in value]
        case _:
            return str(value)


def _line(record: Mapping[str, object]) -> bytes:
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def _shortened(plain: Mapping[str, str], fields: Mapping[str, object]) -> bytes:
    """The record with its long texts cut in the middle, as far as needed; without its fields at worst."""
    for room in (16 * 1024, 4 * 1024, 512):
        cut: dict[str, object] = {
            _cut(str(name), room): _cut(str(value), room) for name, value in fields.items()
        }
        line = _line(cut | {name: _cut(value, room) for name, value in plain.items()})
        if len(line) <= LONGEST_RECORD:
            return line
    warning = f"{len(fields)} fields are left out: the record was too long"
    return _line({name: _cut(value, room) for name, value in plain.items()} | {"@warn": warning})


def _cut(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    half = room // 2
    return f"{text[:half]} ... {len(text) - room} characters left out ... {text[-half:]}"
