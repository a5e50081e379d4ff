"""Files with all that a plugin wrote, for the operator: bounded, and kept when the plugin starts again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from graftage.host.copies import Copies

# Of each file. With the old one beside it, a stream takes twice as much at most.
FILE_BYTES = 16 * 1024 * 1024
_MODE = 0o600  # a program may print secrets by mistake


class OutputFile:
    """A file that is appended to. When it is full it becomes `<name>.1`, in place of the one before.

    It is made for the first bytes, so that a silent plugin leaves none.
    """

    def __init__(self, path: Path, *, limit: int = FILE_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._descriptor = -1
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; one portion stays in one file. Raises OSError."""
        if self._descriptor < 0:
            self._open()
        if self._size and self._size + len(data) > self._limit:
            self.close()
            self._path.replace(f"{self._path}.1")
            self._open()
        while data:
            written = os.write(self._descriptor, data)
            self._size += written
            data = data[written:]

    def close(self) -> None:
        """Let go of the file; a later `write` goes on with it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        self._size = os.fstat(self._descriptor).st_size


@contextmanager
def output_files(folder: Path | None, plugin_id: str, *, otherwise: Copies) -> Iterator[Copies]:
    """Copies into `<plugin id>.stdout.log` and `<plugin id>.stderr.log`, or `otherwise` without a folder.

    Both ways that a program's errors take, the pipe and gRPC, end in the second.
    """
    if folder is None:
        yield otherwise
        return
    name = quote(plugin_id, safe="")  # an id can be any text
    with (
        closing(OutputFile(folder / f"{name}.stdout.log")) as stdout,
        closing(OutputFile(folder / f"{name}.stderr.log")) as stderr,
    ):
        yield Copies(stderr=stderr.write, printed=stdout.write, printed_errors=stderr.write)
