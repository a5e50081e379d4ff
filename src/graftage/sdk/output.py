"""What a plugin printed and its host has not fetched yet."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

LIMIT_BYTES = 1024 * 1024
CHUNK_BYTES = 1024  # the reference sends pieces of this size; every host can take them


class OutputBuffer:
    """Bytes in the order printed. When nobody fetches them the oldest make room: printing never waits.

    Written by the thread that reads descriptor 1, read by the event loop.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._lock = Lock()
        self._closed = False
        self._wake: Callable[[], None] = _nobody_waits

    def append(self, data: bytes) -> int:
        """Add `data`; says how many of the oldest bytes had to go for it."""
        with self._lock:
            self._bytes += data
            excess = max(0, len(self._bytes) - self._limit)
            del self._bytes[:excess]
        self._wake()
        return excess

    def take(self) -> bytes:
        """The oldest piece, which nobody gets a second time; empty when there is nothing."""
        with self._lock:
            piece = bytes(self._bytes[:CHUNK_BYTES])
            del self._bytes[:CHUNK_BYTES]
        return piece

    def close(self) -> None:
        """Nothing more will come; whoever waits may stop once the buffer is empty."""
        self._closed = True
        self._wake()

    @property
    def closed(self) -> bool:
        return self._closed

    def on_change(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, in any thread, whenever there is something new."""
        self._wake = wake


def _nobody_waits() -> None:
    pass
