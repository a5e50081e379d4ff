"""A request to one of a plugin's own HTTP routes, as its handler gets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from graftage.sdk.context import RequestContext
from graftage.sdk.folded import FoldedMapping
from graftage.sdk.sent_json import read_sent_json
from graftage.sdk.settings import Settings

BODY = "the body of the request"


class QueryParameters(Mapping[str, str]):
    """What stands behind the `?` of an address. Of several values of one name the first counts; `all` has
    them all."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self._values.get(name, ()))

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"QueryParameters({self._values})"


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A request to one of the plugin's own routes.

    path: decoded, below the plugin's own place, with a slash in front. headers: by name in any case; several
    values of one name are joined by commas. They may hold credentials and do not show, nor does the body.
    """

    method: str
    path: str
    settings: Settings[Any]
    query: QueryParameters = field(default_factory=QueryParameters)
    headers: Mapping[str, str] = field(default_factory=FoldedMapping, repr=False)
    body: bytes = field(default=b"", repr=False)
    context: RequestContext = field(default_factory=RequestContext)
    _cancelled: Event = field(default_factory=Event, repr=False, compare=False)

    def json(self, model: Any = None) -> Any:
        """The value of the JSON in the body: of the type `model` (a dataclass, msgspec.Struct, TypedDict or
        pydantic model) if one is given. Raises PluginError with status 400, which tells the sender why."""
        return read_sent_json(self.body, model, what=BODY)

    @property
    def cancelled(self) -> bool:
        """Has the host given this request up? Worth asking in a plain function that takes long."""
        return self._cancelled.is_set()
