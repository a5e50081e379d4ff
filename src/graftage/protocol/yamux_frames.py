"""The frames of yamux: a header of twelve bytes, and after that of a data frame its payload.

    version 0 | type | flags, 2 bytes | stream, 4 bytes | length, 4 bytes          all big-endian

The length is that of the payload; of a window update it is the credit given, of a ping a number to send back,
of a go-away the reason.

Source: hashicorp/yamux, spec.md, const.go.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple

from graftage.errors import WireError

VERSION = 0

_HEADER = struct.Struct(">BBHII")
HEADER_BYTES = _HEADER.size


class Kind(IntEnum):
    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


class Flag(IntFlag):
    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


class Reason(IntEnum):
    """Why a side says go away."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


class YamuxError(WireError):
    """The peer broke the rules of yamux; the connection cannot be used any more."""


class Header(NamedTuple):
    """stream: 0 for a ping and a go-away."""

    kind: Kind
    flags: Flag
    stream: int
    length: int


def encode_header(header: Header) -> bytes:
    return _HEADER.pack(VERSION, *header)


def decode_header(data: bytes | bytearray) -> Header:
    """Flags that nobody knows are left out. Raises YamuxError for another version or an unknown type."""
    version, kind, flags, stream, length = _HEADER.unpack(data)
    if version != VERSION:
        raise YamuxError(
            f"expected yamux version {VERSION}, got {version}, in {bytes(data)!r}; the other process does "
            "not speak yamux"
        )
    if kind > Kind.GO_AWAY:
        raise YamuxError(f"expected a yamux frame of type 0 to 3, got type {kind}")
    return Header(Kind(kind), Flag(flags & 15), stream, length)
