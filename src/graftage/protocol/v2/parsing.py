"""What all messages of version 2 have in common: how bytes become a message, and text a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from graftage.errors import WireError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    AnyMessage = TypeVar("AnyMessage", bound=Message)


def parse(kind: type[AnyMessage], data: bytes) -> AnyMessage:
    """The message of this kind in the bytes. Raises WireError, without the bytes: they may hold secrets."""
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise WireError(f"expected a {kind.DESCRIPTOR.full_name} message: {error}") from error


def text(value: str) -> str:
    """Text as protobuf takes it. Lone surrogates (of a JSON text or a file name) become question marks."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def json_bytes(value: str) -> bytes:
    """JSON text as the bytes that version 2 has for it."""
    return value.encode("utf-8", "replace")


def json_text(value: bytes) -> str:
    """The text in bytes that ought to be JSON. What is no UTF-8 becomes U+FFFD: who reads the JSON judges."""
    return value.decode("utf-8", "replace")
