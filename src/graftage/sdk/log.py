"""Log records for the host: standard `logging`, written as hclog JSON to stderr.

A plugin logs with `logging.getLogger(__name__)` as any program does. Fields of a record come from the call it
belongs to (`pluginId`, `endpoint`, `refId`, `dsName`) and from `extra={...}`.

Source: hashicorp/go-hclog for the form; the field names are those of Grafana's Go SDK.
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

STDERR = 2
BLOT = "***"
SHORTEST_SECRET, LONG_SECRET = 4, 8  # characters
PATIENCE_SECONDS = 1.0  # for a host that reads slowly through a pipe that does not block

_FIELDS: ContextVar[Mapping[str, object]] = ContextVar("graftage_log_fields", default={})  # noqa: B039 - never changed
_SECRETS: ContextVar[tuple[str, ...]] = ContextVar("graftage_log_secrets", default=())
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Their debug records repeat whole requests, headers with credentials included.
_TALKATIVE = ("asyncio", "botocore", "grpc", "hpack", "httpcore", "urllib3")


@contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Give every record logged inside the block, in this task or thread, these fields as well."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


@contextmanager
def hidden(secrets: Iterable[str]) -> Iterator[None]:
    """Blot these values out of every record logged inside the block, in this task or thread."""
    token = _SECRETS.set(tuple(secrets))
    try:
        yield
    finally:
        _SECRETS.reset(token)


def blotted(text: str, secrets: Iterable[str]) -> str:
    """The text without these values: libraries put addresses with passwords into their messages.

    The shortest ones stay, and short ones count as whole words only: they would tear holes into other words.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if secret in text and len(secret) >= SHORTEST_SECRET:
            edge = r"\b" if len(secret) < LONG_SECRET and secret.isalnum() else ""
            text = re.sub(f"{edge}{re.escape(secret)}{edge}", BLOT, text)
    return text


class HclogHandler(logging.Handler):
    """Writes each record with one write to descriptor 2, whatever `sys.stderr` is."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
            fields = {**_FIELDS.get(), **own, **_failure(record)}
            message = _message(record)
            if secrets := _SECRETS.get():
                message = blotted(message, secrets)
                fields = {
                    name: blotted(value, secrets) if isinstance(value, str) else value
                    for name, value in fields.items()
                }
            module = "" if record.name == "root" else record.name
            self.write(record.levelno, message, module, fields, record.created)
        except Exception:
            self.handleError(record)

    def write(
        self,
        level: int,
        message: str,
        module: str,
        fields: Mapping[str, object] | None = None,
        created: float | None = None,
    ) -> None:
        """Write one record, past `logging`. created: seconds since 1970; None for now."""
        # Here and not above, because a plugin loads this module before it prints its handshake.
        from datetime import UTC, datetime

        from graftage.protocol.log_record import write_log_record

        time = datetime.now(UTC) if created is None else datetime.fromtimestamp(created, UTC)
        line = write_log_record(level, message, module=module, time=time, fields=fields)
        self.acquire()
        try:
            write_stderr(line)
        finally:
            self.release()


HANDLER = HclogHandler()


def install() -> None:
    """Send this program's logging, warnings and uncaught exceptions to the host.

    The root logger lets everything from debug on through, as the host decides what it keeps; a level that
    the author set stays. Handlers that would print the same records as plain text are taken off.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if _prints_to_host(handler)]:
        root.removeHandler(handler)
    if HANDLER not in root.handlers:
        root.addHandler(HANDLER)
    if root.level == logging.WARNING:
        root.setLevel(logging.DEBUG)
    for name in _TALKATIVE:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def error_text(error: BaseException) -> str:
    """What an exception says; the name of its type when it says nothing."""
    try:
        name = type(error).__name__
        text = str(error) or name
        # An exit says no more than its status, and a KeyError no more than the key.
        if text != name and (not isinstance(error, Exception) or type(error).__str__ is KeyError.__str__):
            text = f"{name}: {text}"
        return text.encode(
            "utf-8", "replace"
        ).decode()  # half characters would break the message it travels in
    except Exception:  # an author's __str__ can raise anything
        return type(error).__name__


def _prints_to_host(handler: logging.Handler) -> bool:
    return type(handler) is logging.StreamHandler and handler.stream in (
        sys.stderr,
        sys.stdout,
        sys.__stderr__,
        sys.__stdout__,
    )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # wrong arguments for the format: the text is still worth having
        return f"{record.msg} {record.args!r}"


def _failure(record: logging.LogRecord) -> dict[str, object]:
    """The fields that tell of the record's exception."""
    if not record.exc_info or record.exc_info[1] is None:
        return {"stacktrace": record.stack_info} if record.stack_info else {}
    kind, error, trace = record.exc_info
    text = "".join(traceback.format_exception(kind, error, trace)).rstrip()
    return {"error": error_text(error), "stacktrace": text}


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger().error("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failed: Any) -> None:
    if failed.exc_type is SystemExit:
        return
    name = failed.thread.name if failed.thread else "unknown"
    logging.getLogger().error(
        "uncaught exception in thread %s",
        name,
        exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback),
    )


def write_stderr(line: bytes) -> None:
    """Write all of `line`. A stderr that nobody reads any more is no reason to fail."""
    while line:
        try:
            line = line[os.write(STDERR, line) :]
        except BlockingIOError:
            if not select.select([], [STDERR], [], PATIENCE_SECONDS)[1]:
                return
        except OSError:
            return
