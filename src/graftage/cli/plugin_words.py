"""What a plugin says while `graftage query --plugin` asks it: on stderr, for the person who writes it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.text import Text

from graftage.cli.show import console_for, printable
from graftage.errors import GraftageError
from graftage.host.launch import StartFailed
from graftage.host.plugin_log import lines_for_people

STYLES = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


@contextmanager
def words_on_stderr(logger: logging.Logger) -> Iterator[None]:
    """Inside the block, write what a plugin launched with `logger` says to stderr, and nowhere else.

    A start that fails is told without the plugin's last words, which stand there already: as GraftageError.
    """
    handler = _Words()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    except StartFailed as error:
        raise GraftageError(error.summary) from error
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _Words(logging.Handler):
    """Shows the plugin's records from info on, and plain text, which the host takes for debug.

    The host's own records are left out: what matters of them is in the answer or the error.
    """

    def emit(self, record: logging.LogRecord) -> None:
        fields: Mapping[str, object] | None = getattr(record, "plugin_fields", None)
        if fields is None or (record.levelno < logging.INFO and fields):
            return
        try:
            console = console_for(sys.stderr)
            for line in lines_for_people(record.getMessage(), fields):
                console.print(Text("  | " + printable(line), style=STYLES.get(record.levelno, "dim")))
        except Exception:
            self.handleError(record)
