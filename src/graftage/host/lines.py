"""Bytes as they arrive, cut into lines, in bounded memory.

A line of `limit` bytes or more is cut into pieces of `limit`; the last piece holds the rest, and may be
empty. Source: hashicorp/go-plugin, client.go (`logStderr`), with a limit of 64 KiB there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end. whole: False for a piece of a line that was too long."""

    data: bytes
    whole: bool = True


class LineCutter:
    """Takes bytes in any portions, gives lines. Between the portions it holds less than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._in_pieces = False  # the line at hand is too long: pieces of it were given already

    def feed(self, data: bytes) -> list[Line]:
        """The lines and pieces that are complete now."""
        lines: list[Line] = []
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._add(part, lines)
            end = -1 if self._rest.endswith(b"\r") else None
            lines.append(Line(bytes(self._rest[:end]), whole=not self._in_pieces))
            self._rest.clear()
            self._in_pieces = False
        self._add(rest, lines)
        return lines

    def end(self) -> list[Line]:
        """What stood after the last line end; nothing more comes."""
        if not self._rest and not self._in_pieces:
            return []
        line = Line(bytes(self._rest), whole=not self._in_pieces)
        self._rest.clear()
        self._in_pieces = False
        return [line]

    @property
    def begun(self) -> bytes:
        """What has arrived of a line that has not ended yet."""
        return bytes(self._rest)

    def _add(self, part: bytes, lines: list[Line]) -> None:
        self._rest += part
        while len(self._rest) >= self._limit:
            lines.append(Line(bytes(self._rest[: self._limit]), whole=False))
            del self._rest[: self._limit]
            self._in_pieces = True
