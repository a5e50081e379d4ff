"""What a program writes to `sys.stderr`, sent to the host apart from its log, if the author wants that.

Descriptor 2 stays what it is: log records, uncaught exceptions and the last words of a crash still take it.
Source: hashicorp/go-plugin, server.go (`Serve`), which always redirects the variable.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graftage.sdk.log import HANDLER, STDERR, write_stderr
from graftage.sdk.output import OutputBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

WARNING = 30  # as in `logging`


@contextmanager
def redirected_stderr() -> Iterator[OutputBuffer]:
    """Inside the block `sys.stderr` fills the buffer; what nobody has fetched then goes to descriptor 2."""
    output = OutputBuffer()
    before, own = sys.stderr, _stream(output)
    sys.stderr = own
    try:
        yield output
    finally:
        if sys.stderr is own:
            sys.stderr = before
        for piece in iter(output.take, b""):
            write_stderr(piece)


def _stream(output: OutputBuffer) -> io.TextIOWrapper:
    raw = _Errors(output)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)  # type: ignore[arg-type]  # typeshed wants a buffer, the class takes any binary stream


class _Errors(io.RawIOBase):
    """The bytes of the stream. For children and for `faulthandler` it stands for descriptor 2."""

    def __init__(self, output: OutputBuffer) -> None:
        self._output = output
        self._pid = os.getpid()
        self._warned = False

    def fileno(self) -> int:
        return STDERR

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        if os.getpid() != self._pid:
            return os.write(STDERR, data)  # a forked child: nobody fetches its copy of the buffer
        lost = self._output.append(bytes(data))
        if lost and not self._warned:
            self._warned = True
            HANDLER.write(
                WARNING, "no host fetches this plugin's errors; the oldest are dropped from now on", "stderr"
            )
        return len(memoryview(data))
