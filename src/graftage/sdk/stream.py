"""How an author sends live data into channels. Light: loaded before the handshake.

@stream("rates/{pair}")
async def rates(self, pair, request):
    async for tick in feed(pair):
        yield {"time": tick.time, "rate": tick.value}

@rates.authorize
def may_see_rates(self, pair, request): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from graftage.sdk.arguments import Arguments
from graftage.sdk.paths import PathPattern

CHANNEL_LIMIT = 160  # characters. Source: grafana/grafana-plugin-sdk-go, live/channel.go
SCOPE = "ds"

_F = TypeVar("_F", bound=Callable[..., Any])


class Handler:
    """A method of the author's by its name, and what it takes."""

    def __init__(self, method: Callable[..., Any], pattern: PathPattern) -> None:
        self.name = method.__name__
        self.arguments = Arguments.of(method, pattern.names, pattern.text)


class Stream(Generic[_F]):
    """A method that sends into the channels of a path, and who else has a say about them.

    In a class it is the method itself. run, authorizer, publisher: the author's methods; the last two are
    None where there are none.
    """

    def __init__(self, method: _F, pattern: PathPattern) -> None:
        self.__graftage_stream__ = self  # by this mark it is found
        self.pattern = pattern
        self.run = Handler(method, pattern)
        self.authorizer: Handler | None = None
        self.publisher: Handler | None = None
        self._method = method

    def authorize(self, method: _F) -> _F:
        """Make a method decide who may subscribe to these channels; without it everybody may.

        It refuses by returning False or a StreamStatus, or by raising PermissionError. It may also return
        what the subscriber shall see first: whatever the stream itself may yield.
        """
        self.authorizer = self._handler(method)
        return method

    def publish(self, method: _F) -> _F:
        """Make a method take what others send into these channels; without it nobody may.

        It returns what all subscribers get: True for what was sent, None for nothing, or whatever the stream
        itself may yield. It refuses as a method for `authorize` does.
        """
        self.publisher = self._handler(method)
        return method

    def _handler(self, method: Callable[..., Any]) -> Handler:
        if method.__name__ == self.run.name:
            raise TypeError(
                f"a method called {method.__name__} would take the place of the stream; rename it"
            )
        return Handler(method, self.pattern)

    def __get__(self, owner: object, kind: type | None = None) -> Any:
        return self if owner is None else self._method.__get__(owner, kind)


def stream(path: str) -> Callable[[_F], Stream[_F]]:
    """Make a method the source of live data for channels: `ds/<uid of the data source>/<path>`.

    path: `rates/{pair}` hands the part of the path on as the argument `pair`; `{rest:path}` hands on all that
    is left. The argument beside those is the StreamRequest; a method can do without.

    The method yields as long as somebody listens: a dict of values, which is a row, a dict of columns, a
    Frame, a data frame of any library, a list of dicts that are rows, or JSON as text or bytes, which is sent
    as it is. When the last one has left it is closed, and its `finally` runs.
    """
    if not isinstance(path, str):
        raise TypeError('@stream takes the path of its channels, as in @stream("rates/{pair}")')
    pattern = PathPattern(path)
    return lambda method: Stream(method, pattern)


def channel(uid: str, path: str) -> str:
    """The address of a channel of the data source `uid`, for `meta={"channel": ...}` of an answer.

    Raises ValueError for one that Grafana would refuse.
    """
    address = f"{SCOPE}/{uid}/{path.strip('/')}"
    if not all(address.split("/")):
        raise ValueError(
            f"the channel {address!r} has an empty part; it needs the data source's uid and a path"
        )
    if not all(letter.isascii() and (letter.isalnum() or letter in "_-./=") for letter in address):
        raise ValueError(f"the channel {address!r} has a character other than A-Z, a-z, 0-9 and _-./=")
    if len(address) > CHANNEL_LIMIT:
        raise ValueError(
            f"the channel {address!r} has {len(address)} characters; {CHANNEL_LIMIT} are allowed"
        )
    return address
