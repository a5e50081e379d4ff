"""A call about one channel, as its handlers get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from graftage.backend.context import User
from graftage.sdk.context import RequestContext
from graftage.sdk.headers import Headers
from graftage.sdk.sent_json import read_sent_json
from graftage.sdk.settings import Settings

DATA = "the data sent to the channel"


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """To subscribe to a channel, to run it, or to publish into it.

    path: of the channel, behind the data source's uid. data: JSON that came along; empty where none did.
    """

    path: str
    settings: Settings[Any]
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=Headers)
    context: RequestContext = field(default_factory=RequestContext)
    _cancelled: Event = field(default_factory=Event, repr=False, compare=False)

    @property
    def user(self) -> User | None:
        """Who subscribes or publishes. A channel runs for all its subscribers, whoever came first."""
        return self.context.user

    def json(self, model: Any = None) -> Any:
        """The value of the data: of the type `model` if one is given. Raises PluginError."""
        return read_sent_json(self.data, model, what=DATA)

    @property
    def cancelled(self) -> bool:
        """Has everybody left? Worth asking in a plain function before each piece that takes long."""
        return self._cancelled.is_set()
