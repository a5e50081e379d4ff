"""Lines on a plugin's stderr: which level they get, and how records are written."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.protocol.log_record import LONGEST_RECORD, TRACE, LogRecord, read_log_line, write_log_record

SETTINGS = settings(deadline=None, derandomize=True)

DEBUG, INFO, WARN, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
NOW = datetime(2026, 11, 22, 11, 27, 32, 583984, tzinfo=UTC)


def read(line: str | bytes, *, panicking: bool = False) -> LogRecord:
    return read_log_line(line.encode() if isinstance(line, str) else line, panicking=panicking)[0]


@pytest.mark.parametrize(
    ("line", "level", "message", "fields"),
    [
        ('{"@message":"m2","@level":"WARN","f":1.5,"o":{"a":[1]}}', WARN, "m2", {"f": 1.5, "o": {"a": [1]}}),
        ('{"@message":"m","@level":" Trace "}', TRACE, "m", {}),
        ('  {"@message":"m","@level":"error"}', ERROR, "m", {}),
        ('{"@level":"info"}', INFO, "", {}),
        ('{"@message":"a","@level":"info","@message":"b"}', INFO, "b", {}),
        ('{"@message":{"a":1},"@level":"info"}', INFO, '{"a": 1}', {}),
        ('{"@message":7,"@level":"info","@caller":"a.go:1"}', INFO, "7", {"@caller": "a.go:1"}),
        ('{"@message":"m","@level":"info","@timestamp":null}', INFO, "m", {}),
        (
            '{"@message":"m","@level":"info","@timestamp":"2026-11-22T11:27:32.889999Z"}',
            INFO,
            "m",
            {"timestamp": "2026-11-22T11:27:32.889Z"},
        ),
        (
            '{"@message":"m","@level":"info","@timestamp":"2026-11-22T11:27:32.000000+01:00"}',
            INFO,
            "m",
            {"timestamp": "2026-11-22T11:27:32.000+01:00"},
        ),
        ('{"@level":"info","n":12345678901234567890}', INFO, "", {"n": 12345678901234567890}),
        ('{"@level":"info","n":0.1000000000000000055}', INFO, "", {"n": Decimal("0.1000000000000000055")}),
        ('{"@level":"info","n":1e400}', INFO, "", {"n": Decimal("1e400")}),
        ('{"@level":"info","s":"\\ud800"}', INFO, "", {"s": "\ufffd"}),
    ],
)
def test_a_json_record_is_taken_apart(
    line: str, level: int, message: str, fields: Mapping[str, object]
) -> None:
    assert read(line) == LogRecord(level, message, fields)


def test_the_module_of_a_record_is_its_own_logger() -> None:
    assert read('{"@level":"info","@message":"m","@module":"clock.db"}') == LogRecord(
        INFO, "m", module="clock.db"
    )


@pytest.mark.parametrize(
    "line",
    [
        '{"@message":"m","@level":"info","@timestamp":"yesterday"}',
        '{"@message":"m","@level":"info","@timestamp":"2026-11-22T11:27:32.58398Z"}',
        '{"@message":"m","@level":"info","@timestamp":"2026-13-22T11:27:32.583984Z"}',
        '{"@message":"m","@level":"info","@timestamp":5}',
        '{"@level":"off","@message":"zz"}',
        '{"@level":"fatal","@message":"zz"}',
        '{"@level":3,"@message":"zz"}',
        '{"@level":["info"]}',
        '{"a":1}',
        '{"@level":"info","n":NaN}',
        '{"@level":"info"',
        '{"@level":"info"} trailing',
        "[1,2]",
        "null",
        "12345",
        "",
        " [WARN] with a space before it",
        "[ERR] shortened",
        "plain",
    ],
)
def test_what_is_no_record_is_logged_as_it_is_at_debug(line: str) -> None:
    assert read(line) == LogRecord(DEBUG, line)


@pytest.mark.parametrize(
    ("line", "level"),
    [("[TRACE] a", TRACE), ("[DEBUG] a", DEBUG), ("[INFO] a", INFO), ("[WARN] a", WARN), ("[ERROR]a", ERROR)],
)
@pytest.mark.parametrize("panicking", [True, False])
def test_a_prefix_gives_the_level_and_stays_in_the_message(line: str, level: int, panicking: bool) -> None:
    assert read(line, panicking=panicking) == LogRecord(level, line)


@pytest.mark.parametrize(
    "first",
    [
        "panic: boom",
        "fatal error: all goroutines are asleep",
        "Traceback (most recent call last):",
        "Fatal Python error: Segmentation fault",
        "thread 'main' panicked at src/main.rs:1",
    ],
)
def test_a_crash_report_is_an_error_to_its_end(first: str) -> None:
    panicking = False
    levels = []
    for line in (
        first,
        "",
        "goroutine 1 [running]:",
        "[INFO] a",
        '{"@level":"warn"}',
        '{"a":1}',
        "main.main()",
    ):
        record, panicking = read_log_line(line.encode(), panicking=panicking)
        levels.append(record.level)
    assert levels == [ERROR, ERROR, ERROR, INFO, WARN, DEBUG, ERROR]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert read(b"\xff plain").message == "\ufffd plain"


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"@level":"info","@message":' + b"[" * 970 + b"]" * 970 + b"}",
        b'{"@level":"info","n":' + b"9" * 10_000 + b"}",
        b'{"@level":"info","n":1e' + b"9" * 100 + b"}",
    ],
    ids=["deep list", "deep object", "deep message", "huge integer", "huge exponent"],
)
def test_a_malicious_line_is_still_a_record(line: bytes) -> None:
    assert read(line).level in {DEBUG, INFO}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@SETTINGS
@given(st.binary(), st.booleans())
def test_any_bytes_have_a_reading(line: bytes, panicking: bool) -> None:
    record, after = read_log_line(line, panicking=panicking)
    assert record.level in {TRACE, DEBUG, INFO, WARN, ERROR}
    assert record.message.encode() is not None  # no half characters, so that any log can write it
    assert after or not panicking


@SETTINGS
@given(
    st.dictionaries(st.sampled_from(["@message", "@level", "@timestamp", "@module", "x"]), json_values),
)
def test_no_type_of_a_members_value_breaks_the_reading(members: dict[str, object]) -> None:
    read(json.dumps(members))


@SETTINGS
@given(
    st.sampled_from([TRACE, DEBUG, INFO, WARN, ERROR]),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda n: n != "timestamp"), json_values
    ),
)
def test_what_is_written_is_what_is_read(level: int, message: str, fields: dict[str, object]) -> None:
    line = write_log_record(level, message, module="clock", time=NOW, fields=fields)
    assert line.count(b"\n") == 1
    record, panicking = read_log_line(line.rstrip(b"\n"), panicking=False)
    assert (record.level, record.message, record.module, panicking) == (level, message, "clock", False)
    whole = json.loads(json.dumps(fields).encode("utf-8", "replace").decode())
    assert {name: value for name, value in record.fields.items() if name != "timestamp"} == whole


def test_a_record_is_hclogs_json_with_sorted_keys() -> None:
    line = write_log_record(
        INFO,
        "ready\nand waiting",
        module="clock",
        time=NOW.astimezone(timezone(timedelta(hours=1))),
        caller="a.py:7",
        fields={"port": 1, "b": [True, None]},
    )
    assert line == (
        b'{"@caller":"a.py:7","@level":"info","@message":"ready\\nand waiting","@module":"clock",'
        b'"@timestamp":"2026-11-22T11:27:32.583984Z","b":[true,null],"port":1}\n'
    )


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (1, "trace"),
        (5, "trace"),
        (10, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warn"),
        (40, "error"),
        (50, "error"),
    ],
)
def test_levels_have_hclogs_names(level: int, name: str) -> None:
    assert json.loads(write_log_record(level, "m", module="", time=NOW))["@level"] == name


def test_values_that_json_lacks_are_written_as_text() -> None:
    fields = {"error": ValueError("no table"), "nan": float("nan"), "set": {1}, 5: "five", "o": {"when": NOW}}
    record = json.loads(write_log_record(INFO, "m", module="", time=NOW, fields=fields))  # type: ignore[arg-type] # on purpose
    assert record["error"] == "no table"
    assert record["nan"] == "nan"
    assert record["set"] == [1]
    assert record["5"] == "five"
    assert record["o"] == {"when": "2026-11-22 11:27:32.583984+00:00"}


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


class Unprintable:
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "value", [Unprintable(), ENDLESS, 10**10_000], ids=["unprintable", "endless", "huge"]
)
def test_a_value_that_cannot_be_written_does_not_lose_the_record(value: object) -> None:
    record = json.loads(write_log_record(WARN, "m", module="", time=NOW, fields={"v": value}))
    assert record["@message"] == "m"
    assert record["@level"] == "warn"
    assert "cannot be written" in record["@warn"]


def test_reserved_names_are_the_records_own() -> None:
    record = json.loads(
        write_log_record(WARN, "m", module="a", time=NOW, fields={"@level": "off", "@message": "x"})
    )
    assert (record["@level"], record["@message"]) == ("warn", "m")


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("x" * 200_000, {}),
        ("m", {"stacktrace": "\0" * 200_000, "small": 1}),
        ("m", {f"field{number}": "x" * 100 for number in range(5000)}),
        ("m", {"n" * 100_000: 1}),
    ],
    ids=["long message", "long stacktrace", "many fields", "long name"],
)
def test_a_record_stays_short_enough_for_every_hosts_reader(message: str, fields: dict[str, object]) -> None:
    line = write_log_record(ERROR, message, module="a", time=NOW, fields=fields)
    assert len(line) <= LONGEST_RECORD
    record = json.loads(line)
    assert record["@level"] == "error"
    assert record["@message"].startswith(message[:1])
