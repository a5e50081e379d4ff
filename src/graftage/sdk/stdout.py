"""Descriptor 1 belongs to the handshake; what a program prints takes another way.

The host reads exactly one line from a plugin's stdout, and a stray `print` before it, in any module and from
any library or child process, would end the start. So descriptor 1 is moved out of reach as soon as the SDK is
imported under a host, and a pipe takes its place. A thread empties that pipe: each line becomes a record
on stderr, of level info so that a host shows it unless told otherwise, and the bytes wait for the host's
output stream.

Source: hashicorp/go-plugin, server.go (`Serve`), redirects the variables only; descriptor 1 stays open there.
"""

from __future__ import annotations

import atexit
import os
import select
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

from graftage.protocol.environment import COOKIE_KEY, COOKIE_VALUE
from graftage.sdk.output import OutputBuffer

STDOUT = 1
READ_BYTES = 64 * 1024
LONGEST_LINE = 16 * 1024  # a longer one becomes several records, each short enough for every host
MODULE = "stdout"
INFO, WARNING = 20, 30  # as in `logging`, which is too heavy to load before descriptor 1 is safe


def launched_by_host(environment: Mapping[str, str] = os.environ) -> bool:
    """Does the environment say that a host started this process as its plugin?"""
    return environment.get(COOKIE_KEY) == COOKIE_VALUE


class CapturedStdout:
    """The pipe in the place of descriptor 1. One process has one; it stays until the process ends."""

    def __init__(self) -> None:
        self.original = os.dup(STDOUT)  # not inheritable: no child can write to the host by accident
        self.output = OutputBuffer()
        self._pipe, writer = os.pipe()
        os.dup2(writer, STDOUT)
        os.close(writer)
        self._pid = os.getpid()
        self._line = bytearray()
        self._warned = False
        self._reading = threading.Lock()
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(
                line_buffering=True
            )  # a pipe would keep prints back until the program ends
        threading.Thread(target=self._read, name="graftage-stdout", daemon=True).start()
        atexit.register(self.flush)

    def flush(self) -> None:
        """Hand on everything printed so far, with a last line that has no end."""
        if os.getpid() != self._pid:
            return  # a forked child: the pipe and its thread are the parent's
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
        with self._reading:
            while self._readable(0) and self._hand_on():
                pass
            if self._line:
                self._log(bytes(self._line))
                self._line.clear()

    def _read(self) -> None:
        more = True
        while more:
            self._readable(None)
            with self._reading:
                if self._readable(0):  # `flush` may have been quicker
                    more = self._hand_on()

    def _readable(self, timeout: float | None) -> bool:
        poll = select.poll()  # unlike select(), it takes descriptors above 1023
        poll.register(self._pipe, select.POLLIN)
        return bool(poll.poll(timeout))

    def _hand_on(self) -> bool:
        """Read once; false when every writer has closed descriptor 1 and nothing can follow."""
        data = os.read(self._pipe, READ_BYTES)
        lost = self.output.append(data)
        if lost and not self._warned:
            self._warned = True
            self._write_record(
                WARNING,
                "no host fetches this plugin's output; its oldest bytes are dropped from now on",
            )
        *lines, rest = (bytes(self._line) + data).split(b"\n")
        for line in lines:
            self._log(line)
        while len(rest) >= LONGEST_LINE:
            self._log(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        self._line[:] = rest
        return bool(data)

    def _log(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), LONGEST_LINE):
            piece = line[start : start + LONGEST_LINE].rstrip(b"\r")
            self._write_record(INFO, piece.decode("utf-8", "replace"))

    def _write_record(self, level: int, message: str) -> None:
        # Straight to stderr: through `logging`, an author's handler that prints would feed itself.
        from graftage.sdk.log import HANDLER

        HANDLER.write(level, message, MODULE)


_captured: CapturedStdout | None = None


def take_if_launched() -> None:
    """Put the pipe in the place of descriptor 1 when a host launched this process; do nothing otherwise."""
    if launched_by_host():
        with suppress(OSError):  # there is none: `serve` will say so
            take()


def take() -> CapturedStdout:
    """The pipe in the place of descriptor 1, put there now unless it already is.

    Raises OSError when there is no descriptor 1.
    """
    global _captured
    if _captured is None:
        _captured = CapturedStdout()
    return _captured
