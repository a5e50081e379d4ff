"""A mapping whose names may be written in upper or lower case. Light: it is loaded before the handshake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


class FoldedMapping(Mapping[str, str]):
    """Text by name, whatever its case. The `repr` tells the names and no value, as some are secret.

    It iterates over the names as they were given; of two that differ in case only the later one counts.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = entries.items() if isinstance(entries, Mapping) else entries
        self._entries = {name.lower(): (name, value) for name, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._entries[name.lower()][1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._entries

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(sorted(self))})"
