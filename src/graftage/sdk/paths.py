"""Paths with parameters, as handlers of resources and streams have them.

    stations/{name}       one part of a path as `name`
    files/{rest:path}     all that is left, at least one part, as `rest`

Slashes at the ends do not count. Of several patterns that match the most particular one counts: from the
left, a text comes before a parameter, and a parameter before a rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?\}")
_TEXT, _ONE, _REST = range(3)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """Raises ValueError for a text that is no pattern.

    names: of the parameters. rank: lower is more particular. shape: equal where two patterns match the same
    paths, whatever they call their parameters.
    """

    text: str
    names: tuple[str, ...] = field(init=False)
    rank: tuple[int, ...] = field(init=False)
    shape: tuple[str, ...] = field(init=False)
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = self.text.strip("/").split("/")
        parameters = [_parameter(part, self.text) for part in parts]
        names = [parameter[1] for parameter in parameters if parameter]
        if len(set(names)) < len(names):
            raise ValueError(f"the path {self.text!r} names a parameter twice; give each a name of its own")
        kinds = [_kind(parameter) for parameter in parameters]
        if _REST in kinds[:-1]:
            raise ValueError(f"the path {self.text!r} goes on after a rest; {{name:path}} has to come last")
        pairs = list(zip(parts, parameters, strict=True))
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "rank", tuple(kinds))
        object.__setattr__(self, "shape", tuple(f"{{{p[2] or ''}}}" if p else part for part, p in pairs))
        object.__setattr__(self, "_expression", re.compile("/".join(_expression(*pair) for pair in pairs)))

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters in a path, by name; None when it does not match."""
        found = self._expression.fullmatch(path.strip("/"))
        return found.groupdict() if found else None


class Paths(Generic[T]):
    """What is behind each pattern."""

    def __init__(self, entries: Iterable[tuple[PathPattern, T]]) -> None:
        self._entries = sorted(entries, key=lambda entry: entry[0].rank)

    def matching(self, path: str) -> Iterator[tuple[T, Mapping[str, str]]]:
        """What is behind the patterns that match, with the parameters, the most particular first."""
        for pattern, value in self._entries:
            parameters = pattern.match(path)
            if parameters is not None:
                yield value, parameters


def _parameter(part: str, text: str) -> re.Match[str] | None:
    """The parameter that a part of a pattern is; None for text."""
    parameter = _PARAMETER.fullmatch(part)
    if parameter is None and ("{" in part or "}" in part):
        raise ValueError(
            f"the path {text!r} has the part {part!r}; a parameter is a whole part, {{name}}, or "
            "{{name:path}} for all that is left"
        )
    return parameter


def _kind(parameter: re.Match[str] | None) -> int:
    if parameter is None:
        return _TEXT
    return _REST if parameter[2] else _ONE


def _expression(part: str, parameter: re.Match[str] | None) -> str:
    if parameter is None:
        return re.escape(part)
    return f"(?P<{parameter[1]}>{'.+' if parameter[2] else '[^/]+'})"
