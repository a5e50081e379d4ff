"""The JSON of Centrifuge's protocol, version 2: what a client asks, what it is answered and what it is sent.

One message of the connection has one or more objects, each on a line. A command has an `id`, by which its
reply is known, and a key that says what is asked. An empty object is a ping from the server, and the pong to
it from the client.

    > {"id":1,"connect":{}}
    < {"id":1,"connect":{"client":"…","ping":25,"pong":true}}
    > {"id":2,"subscribe":{"channel":"ds/abc/rates"}}
    < {"id":2,"subscribe":{"data":{"schema":…}}}
    < {"push":{"channel":"ds/abc/rates","pub":{"data":{"data":…}}}}

Sources: centrifugal/protocol, definitions/client.proto; centrifugal/centrifuge, client.go
(`dispatchCommand`), disconnect.go and unsubscribe.go.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import msgspec

from graftage.data.canonical_json import write_json
from graftage.server.live.refusal import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE,
    UNKNOWN_METHOD,
    Refusal,
)

MAX_CHANNELS: Final = 128
MAX_CHANNEL_BYTES: Final = 255

PING: Final = "{}"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Why a connection is closed: the code and the reason of the closing frame.

    With a code from 3500 to 3999 the client does not come back by itself.
    """

    code: int
    reason: str


SHUTDOWN: Final = Disconnect(3001, "shutdown")
SERVER_ERROR: Final = Disconnect(3004, "internal server error")
SLOW: Final = Disconnect(3008, "slow")
NO_PONG: Final = Disconnect(3012, "no pong")
MALFORMED: Final = Disconnect(3501, "bad request")
STALE: Final = Disconnect(3502, "stale")


class OfChannel(msgspec.Struct, frozen=True):
    """What a command says of a channel. data: JSON, for the plugin."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Command(msgspec.Struct, frozen=True):
    """One of the keys beside `id` says what is asked."""

    id: int = 0
    connect: OfChannel | None = None
    subscribe: OfChannel | None = None
    unsubscribe: OfChannel | None = None
    publish: OfChannel | None = None
    send: OfChannel | None = None
    presence: OfChannel | None = None
    presence_stats: OfChannel | None = None
    history: OfChannel | None = None
    rpc: OfChannel | None = None
    refresh: OfChannel | None = None
    sub_refresh: OfChannel | None = None
    ping: OfChannel | None = None

    def asked(self) -> tuple[str, OfChannel]:
        """The key that it has and what stands there; an empty key for a pong."""
        for key in _KEYS:
            asked: OfChannel | None = getattr(self, key)
            if asked is not None:
                return key, asked
        return "", OfChannel()


_KEYS: Final = tuple(field for field in Command.__struct_fields__ if field != "id")
_OF_CHANNELS: Final = frozenset({"subscribe", "unsubscribe", "publish"})
# What is understood, and never granted.
_REFUSED: Final = {
    "presence": NOT_AVAILABLE,
    "presence_stats": NOT_AVAILABLE,
    "history": NOT_AVAILABLE,
    "rpc": UNKNOWN_METHOD,
    "refresh": NOT_AVAILABLE,
    "sub_refresh": NOT_AVAILABLE,
    "ping": NOT_AVAILABLE,
}

_commands = msgspec.json.Decoder(Command)


def read_commands(message: str) -> list[Command] | Disconnect:
    """The commands of a message, in their order; at least one."""
    try:
        return [_commands.decode(line) for line in message.strip().split("\n")]
    except (ValueError, RecursionError):
        return MALFORMED


def verdict(
    command: Command, *, is_connected: bool, owes_pong: bool, channels: Collection[str]
) -> Disconnect | Refusal | None:
    """What is wrong with a command; None if it is to be carried out.

    owes_pong: the client has been pinged and has not answered yet. channels: those it has subscribed to.
    """
    key, asked = command.asked()
    is_pong = not command.id and key != "send"
    if is_pong:
        return None if is_connected and owes_pong else MALFORMED
    if not key or (key == "connect") == is_connected:
        return MALFORMED
    if key in _OF_CHANNELS and not asked.channel:
        return MALFORMED
    return _verdict_on_subscribing(asked.channel, channels) if key == "subscribe" else _REFUSED.get(key)


def _verdict_on_subscribing(channel: str, channels: Collection[str]) -> Refusal | None:
    if len(channel.encode("utf-8", "replace")) > MAX_CHANNEL_BYTES:
        return BAD_REQUEST
    if channel in channels:
        return ALREADY_SUBSCRIBED
    return LIMIT_EXCEEDED if len(channels) >= MAX_CHANNELS else None


def connected(number: int, client: str, ping_seconds: int) -> str:
    """The reply to `connect`. number: the command's id. client: an id of our own."""
    result = f'"client":{write_json(client)},"ping":{ping_seconds},"pong":true'
    return f'{{"id":{number},"connect":{{{result}}}}}'


def subscribed(number: int, data: str) -> str:
    """The reply to `subscribe`. data: JSON; empty for none."""
    result = f'"data":{data}' if data else ""
    return f'{{"id":{number},"subscribe":{{{result}}}}}'


def done(number: int, key: str) -> str:
    """The reply to a command that is answered with nothing."""
    return f'{{"id":{number},"{key}":{{}}}}'


def refused(number: int, refusal: Refusal) -> str:
    temporary = ',"temporary":true' if refusal.temporary else ""
    error = f'"code":{refusal.code},"message":{write_json(refusal.message)}{temporary}'
    return f'{{"id":{number},"error":{{{error}}}}}'


def publication(channel: str) -> tuple[str, str]:
    """What stands before the JSON of a packet, and behind it."""
    return f'{{"push":{{"channel":{write_json(channel)},"pub":{{"data":', "}}}"


def unsubscribed(channel: str) -> str:
    """That the server ends a subscription, for good."""
    ended = '{"code":2000,"reason":"server unsubscribe"}'
    return f'{{"push":{{"channel":{write_json(channel)},"unsubscribe":{ended}}}}}'
