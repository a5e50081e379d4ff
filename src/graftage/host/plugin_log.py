"""What a plugin says, as records of the host's log: under its id, and no more than the host can bear."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

from graftage.host.allowance import Allowance
from graftage.protocol.log_record import LogRecord

REPORT_SECONDS = 5.0  # how often to say that lines were left out
_STACK = "stacktrace"  # the field's name in hclog
_PRICE_BYTES = 1024  # a line costs one, and one more for each of these


class PluginLog:
    """One stream of a plugin's words. What exceeds the allowance is counted, and the count is logged.

    Each record carries `plugin_id`, `plugin_stream`, `plugin_module` and `plugin_fields`, for handlers that
    write structure.
    """

    def __init__(self, logger: logging.Logger, plugin_id: str, stream: str, allowance: Allowance) -> None:
        self._logger = logger
        self._plugin_id = plugin_id
        self._stream = stream
        self._allowance = allowance
        self._left_out = 0
        self._report: asyncio.TimerHandle | None = None

    def admits(self, size: int) -> bool:
        """May a line of `size` bytes be read and logged now? If not, it counts as left out.

        For a log that is switched off nothing is, and nothing counts.
        """
        if not self._logger.isEnabledFor(logging.CRITICAL):
            return False
        loop = asyncio.get_running_loop()
        if self._allowance.take(1 + size // _PRICE_BYTES, loop.time()):
            return True
        self._left_out += 1
        if self._report is None:
            self._report = loop.call_later(REPORT_SECONDS, self.flush)
        return False

    def write(self, record: LogRecord) -> None:
        """Log a record at its own level."""
        if self._logger.isEnabledFor(record.level):
            extra = {
                "plugin_id": self._plugin_id,
                "plugin_stream": self._stream,
                "plugin_module": record.module,
                "plugin_fields": record.fields,
            }
            self._logger.log(record.level, "%s", _text(record), extra=extra)

    def flush(self) -> None:
        """Tell how many lines were left out since this was told last."""
        if self._report is not None:
            self._report.cancel()
            self._report = None
        if self._left_out:
            self._logger.warning(
                "%d lines of the plugin's %s were left out: it writes faster than the log's limit",
                self._left_out,
                self._stream,
                extra={"plugin_id": self._plugin_id},
            )
            self._left_out = 0


def lines_for_people(text: str, fields: Mapping[str, object]) -> list[str]:
    """A record's text as it was logged, but for its stack trace: that follows, line by line."""
    stack = fields.get(_STACK)
    if not isinstance(stack, str):
        return [text]
    return [text.replace(f" {_STACK}={_value(stack)}", ""), *stack.splitlines()]


def _text(record: LogRecord) -> str:
    """The message and its pairs, as hclog writes them for people; the log has a time of its own."""
    pairs = [f"{name}={_value(value)}" for name, value in record.fields.items() if name != "timestamp"]
    return " ".join([f"{record.message}:" if pairs and record.message else record.message, *pairs])


def _value(value: object) -> str:
    if isinstance(value, str) and value and not set(value) & set(' "=\n\r\t'):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
