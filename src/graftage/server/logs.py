"""What the server writes to stderr: one line a record, for people or as JSON.

Whatever a record carries as `extra` is written as a field of its own. Text comes from plugins and callers as
well, so that no character of it can begin a record or steer a terminal: what goes on below one is indented.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from graftage.config import LOG_LEVELS
from graftage.host.plugin_log import lines_for_people

TRACE = 5

_LEVELS = dict(
    zip(LOG_LEVELS, (TRACE, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR), strict=True)
)
_NO_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}

# A plugin's record has its pairs in its text, as well as here for whoever reads structure.
_IN_TEXT = frozenset({"plugin_fields", "plugin_module", "plugin_stream"})

# These report every step of their own. What matters of it, we log ourselves.
_TALKATIVE = ("uvicorn", "alembic", "httpx", "httpcore", "asyncio", "grpc")


def set_up_logging(level: str, form: str) -> None:
    """Log to stderr from now on. level, form: of `config.LOG_LEVELS` and `config.LOG_FORMATS`."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(_LEVELS[level], logging.WARNING))
    logging.captureWarnings(capture=True)


class TextLines(logging.Formatter):
    """``2026-01-31T12:00:00.000Z INFO  graftage.host plugin started plugin_id=acme-datasource``"""

    def format(self, record: logging.LogRecord) -> str:
        first, *stack = lines_for_people(record.getMessage(), getattr(record, "plugin_fields", {}))
        words = [_time(record), f"{record.levelname:<5}", record.name, _one_line(first)]
        fields = {key: value for key, value in _fields(record).items() if key not in _IN_TEXT}
        words += [f"{key}={_quoted(str(value))}" for key, value in fields.items()]
        text = "\n    ".join([" ".join(words), *map(_one_line, stack)])
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonLines(logging.Formatter):
    """``{"time":…,"level":"info","logger":…,"message":…}``, then the fields, then `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _NO_FIELDS}


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _quoted(text: str) -> str:
    plain = text.isprintable() and not any(char in text for char in ' "=') and text
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
