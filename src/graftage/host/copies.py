"""Copies of what a plugin writes, byte for byte, for whoever wants more than the log keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

# Takes bytes in any portions. The event loop calls it, so it must not wait for long.
Sink = Callable[[bytes], None]


def discard(_data: bytes) -> None:
    """The sink of those who want no copy."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Where copies go.

    stderr: all that comes through the process's stderr, of whatever length, rate and encoding; a last line
    without an end gets one. printed, printed_errors: what the program prints once it serves, to its
    redirected stdout and stderr. Source: hashicorp/go-plugin, client.go (`Stderr`, `SyncStdout` and
    `SyncStderr` of `ClientConfig`), where a CR before the end of a line is dropped.
    """

    stderr: Sink = discard
    printed: Sink = discard
    printed_errors: Sink = discard


class Copy:
    """Hands bytes to a sink. One that fails is told of once and gets no more: the log matters more."""

    def __init__(self, sink: Sink, stream: str, logger: logging.Logger) -> None:
        self._sink = sink
        self._stream = stream
        self._logger = logger
        self._last = b"\n"

    def write(self, data: bytes) -> None:
        """Copy `data`, at least one byte. Never raises."""
        self._last = data[-1:]
        try:
            self._sink(data)
        except Exception:
            self._sink = discard
            self._logger.exception(
                "the plugin's %s is not copied any more until it is started again", self._stream
            )

    def end_line(self) -> None:
        """Give the last line an end, unless it has one."""
        if self._last != b"\n":
            self.write(b"\n")
