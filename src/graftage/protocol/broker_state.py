"""What a broker remembers: the other side's offers, and whose the next stream is. Time is an argument.

Source: hashicorp/go-plugin, grpc_broker.go (`Run`, `timeoutWait`, `listenForKnocks`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graftage.protocol.conn_info import ConnInfo

WAIT_SECONDS = 5.0  # for the other side's offer, or its answer to a knock
KEEP_SECONDS = 5.0  # an offer that nobody has taken
MOST_OFFERS = 1024  # at a time: nobody has so many connections, and a flood shall not fill the memory


@dataclass(slots=True)
class Offers:
    """Where the other side listens, by number: one offer for each at a time, for one connection each."""

    keep_seconds: float = KEEP_SECONDS
    _kept: dict[int, tuple[ConnInfo, float]] = field(default_factory=dict)

    def add(self, info: ConnInfo, now: float) -> bool:
        """Keep an offer; false if it is dropped, because one for its number is kept, or too many are."""
        self._kept = {number: kept for number, kept in self._kept.items() if kept[1] > now}
        if info.service_id in self._kept or len(self._kept) >= MOST_OFFERS:
            return False
        self._kept[info.service_id] = (info, now + self.keep_seconds)
        return True

    def take(self, service_id: int, now: float) -> ConnInfo | None:
        """The offer with this number, once; None when there is none, or it is too old."""
        info, until = self._kept.pop(service_id, (None, 0.0))
        return info if until > now else None

    def clear(self) -> None:
        self._kept.clear()


@dataclass(slots=True)
class Doors:
    """Which numbers are listened for on a connection of many streams, and whose the next stream is.

    The other side knocks, hears that it may come, opens a stream, and only then knocks again. So a second
    knock says that no stream follows the first.
    """

    keep_seconds: float = KEEP_SECONDS
    _open: set[int] = field(default_factory=set)
    _next: tuple[int, float] | None = None

    def open(self, service_id: int) -> bool:
        """Listen for this number; false if somebody does already."""
        if service_id in self._open:
            return False
        self._open.add(service_id)
        return True

    def close(self, service_id: int) -> None:
        """Listen for this number no more."""
        self._open.discard(service_id)
        if self._next is not None and self._next[0] == service_id:
            self._next = None

    def knock(self, info: ConnInfo, now: float) -> ConnInfo:
        """Somebody knocks: the answer to send. The next stream is then that number's."""
        number = info.service_id
        if number not in self._open:
            return ConnInfo(number, knock=True, ack=True, error=f"nobody listens for connection {number}")
        self._next = (number, now + self.keep_seconds)
        return ConnInfo(number, knock=True, ack=True)

    def next_stream(self, now: float) -> int | None:
        """Whose is the stream that has just come? None: nobody has knocked for it."""
        if self._next is None:
            return None
        (number, until), self._next = self._next, None
        return number if until > now else None
