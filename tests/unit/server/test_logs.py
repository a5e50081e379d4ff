from __future__ import annotations

import json
import logging
import sys

from graftage.server.logs import JsonLines, TextLines


def record(
    message: str, *args: object, error: BaseException | None = None, **extra: object
) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    made = logging.getLogger("graftage.host").makeRecord(
        "graftage.host", logging.WARNING, "file.py", 1, message, args, exc_info, extra=extra
    )
    made.created = 1769860800.0
    return made


def test_a_line_for_people_has_time_level_logger_message_and_fields():
    line = TextLines().format(
        record("plugin %s is slow", "a", plugin_id="acme", seconds=1.5, text="two words")
    )
    assert line == (
        "2026-01-31T12:00:00.000Z WARNING graftage.host plugin a is slow "
        'plugin_id=acme seconds=1.5 text="two words"'
    )


def test_no_text_can_begin_a_line_or_steer_a_terminal():
    line = TextLines().format(record("a\n2026 fake \x1b[31m", field="b\nc\x1b\u2028"))
    assert line.endswith(r'a\n2026 fake \x1b[31m field="b\nc\u001b\u2028"')


def test_a_plugins_stack_trace_follows_its_line_indented():
    trace = 'Traceback:\n  File "p.py"\n2026 fake\x1b[31m'
    text = f"it failed: error=why stacktrace={json.dumps(trace)} refId=A"
    line = TextLines().format(
        record("%s", text, plugin_id="acme", plugin_fields={"error": "why", "stacktrace": trace})
    )
    assert line.splitlines() == [
        "2026-01-31T12:00:00.000Z WARNING graftage.host it failed: error=why refId=A plugin_id=acme",
        "    Traceback:",
        '      File "p.py"',
        r"    2026 fake\x1b[31m",
    ]


def test_an_exception_follows_its_line():
    line = TextLines().format(record("failed", error=ValueError("why")))
    assert line.splitlines()[0].endswith("failed")
    assert line.splitlines()[-1] == "ValueError: why"


def test_a_line_of_json_has_the_same_and_the_exception_as_a_field():
    line = json.loads(JsonLines().format(record("a\nb", plugin_id="acme", path=sys, error=ValueError("why"))))
    assert line.pop("exception") == "ValueError: why"
    assert line == {
        "time": "2026-01-31T12:00:00.000Z",
        "level": "warning",
        "logger": "graftage.host",
        "message": "a\nb",
        "plugin_id": "acme",
        "path": str(sys),
    }
