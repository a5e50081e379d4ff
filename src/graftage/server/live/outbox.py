"""What waits to be sent to one client: bounded, so that a slow one costs no more than its queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# So much is sent in one go. It is also how far behind a client may be without being called so.
BATCH_CHARACTERS: Final = 64 * 1024

Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may wait. characters: Grafana's `ClientQueueMaxSize`, in pkg/services/live/live.go."""

    lines: int = 16 * 1024
    characters: int = 4 * 1024 * 1024


class Outbox:
    """A queue of lines, each in pieces of which most are shared with other queues.

    on_overflow: called once, when more would wait than `limit` allows, or the client is given up. What waits
    is thrown away then, and whatever else is put in.
    """

    def __init__(self, limit: Limit, on_overflow: Callable[[], None]) -> None:
        self._limit = limit
        self._on_overflow = on_overflow
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._has_overflowed = False
        self._is_filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def is_behind(self) -> bool:
        """Is there more than can be sent in one go?"""
        return not self._has_room.is_set()

    async def room(self) -> None:
        """Return when it is no longer behind."""
        await self._has_room.wait()

    def put(self, *pieces: str) -> None:
        """Add a line."""
        if self._has_overflowed:
            return
        self._lines.append(pieces)
        self._characters += sum(map(len, pieces))
        if len(self._lines) > self._limit.lines or self._characters > self._limit.characters:
            self.give_up()
            return
        self._is_filled.set()
        if self._characters > BATCH_CHARACTERS:
            self._has_room.clear()

    async def take(self) -> list[str]:
        """The lines that are sent next, at least one; waits for it."""
        await self._is_filled.wait()
        taken: list[str] = []
        characters = 0
        while self._lines and characters < BATCH_CHARACTERS:
            line = "".join(self._lines.popleft())
            taken.append(line)
            characters += len(line)
        self._characters -= characters
        if not self._lines:
            self._is_filled.clear()
        if self._characters <= BATCH_CHARACTERS:
            self._has_room.set()
        return taken

    def give_up(self) -> None:
        """Keep nothing for this client any more."""
        if self._has_overflowed:
            return
        self._has_overflowed = True
        self._lines.clear()
        self._characters = 0
        self._is_filled.clear()
        self._has_room.set()  # for whoever waits for the others
        self._on_overflow()
