"""Reading protobuf's wire format field by field, as bytes that another process made.

Whatever is read is checked against the end of its message, and what a message does not know is skipped as
protobuf prescribes. Source: protobuf.dev, "Encoding"; limits as in the C runtime (upb), `wire/decode.c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graftage.errors import WireError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5
_FIXED_SIZES: Final = {FIXED64: 8, FIXED32: 4}

_MAX_GROUPS: Final = 100  # levels of groups in groups; groups are unknown fields here, and are only skipped
_MAX_LENGTH: Final = 2**31 - 1
_MAX_TAG: Final = 2**32 - 1
_U64: Final = 2**64 - 1
_SHORT_VARINTS: Final = [bytes([value]) for value in range(0x80)]


def read_fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of the message in `data[start:end]`: number, wire type, value, and where the field ends.

    The value of a VARINT is the number itself, unsigned; of any other type the index of its first byte.
    Groups are checked and left out. Raises WireError.
    """
    position = start
    while position < end:
        tag = data[position]
        if tag < 0x80:
            position += 1
        else:
            tag, position = _read_short(data, position, end, _MAX_TAG)
        wire_type = tag & 7
        number = tag >> 3
        if number == 0:
            raise WireError(f"protobuf field number 0 at byte {position}; expected 1 or more")
        if wire_type == LENGTH:
            value, next_position = read_length(data, position, end)
        elif wire_type == VARINT:
            value, next_position = read_varint(data, position, end)
        elif wire_type == START_GROUP:
            position = _skip_group(data, position, end, number)
            continue
        else:
            value, next_position = position, position + _fixed_size(wire_type, position)
            if next_position > end:
                raise cut_short(position)
        yield number, wire_type, value, next_position
        position = next_position


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The unsigned 64-bit number at `position`, and where it ends. Raises WireError."""
    value, position = _read_groups(data, position, end, 10)
    return value & _U64, position


def read_length(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Where the length-prefixed bytes at `position` begin and end. Raises WireError."""
    if position < end and data[position] < 0x80:
        length = data[position]
        position += 1
    else:
        length, position = _read_short(data, position, end, _MAX_LENGTH)
    if position + length > end:
        raise cut_short(position)
    return position, position + length


def read_text(data: bytes, start: int, end: int) -> str:
    """Text of a message. What is no UTF-8 becomes U+FFFD: a bad name is no reason to lose the data."""
    return data[start:end].decode("utf-8", "replace")


def signed(value: int) -> int:
    """A varint's unsigned number as int64."""
    return value - 2**64 if value >= 2**63 else value


def signed_32(value: int) -> int:
    """A varint's unsigned number as int32: what does not fit is lost, as everywhere in protobuf."""
    value &= 2**32 - 1
    return value - 2**32 if value >= 2**31 else value


def cut_short(position: int) -> WireError:
    return WireError(f"protobuf message is cut short at byte {position}")


def write_varint(value: int) -> bytes:
    """A number from 0 to 2**64 - 1."""
    if value < 0x80:
        return _SHORT_VARINTS[value]
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def write_bytes(number: int, content: bytes) -> bytes:
    """A field of text, bytes or a message."""
    return write_varint(number << 3 | LENGTH) + write_varint(len(content)) + content


def write_message(number: int, pieces: list[bytes]) -> list[bytes]:
    """A field of a message, still in pieces: they are long, and copied once only, when all are joined."""
    return [write_varint(number << 3 | LENGTH), write_varint(sum(map(len, pieces))), *pieces]


def write_number(number: int, value: int) -> bytes:
    """A field of an integer; nothing for 0, which proto3 leaves out."""
    return write_varint(number << 3 | VARINT) + write_varint(value & _U64) if value else b""


def write_text(number: int, text: str) -> bytes:
    """A field of text; nothing for "", which proto3 leaves out."""
    return write_bytes(number, text.encode("utf-8", "replace")) if text else b""


def _read_short(data: bytes, position: int, end: int, largest: int) -> tuple[int, int]:
    """A varint that has to fit in five bytes: a tag or a length."""
    value, position = _read_groups(data, position, end, 5)
    if value > largest:
        raise WireError(f"protobuf tag or length {value} before byte {position} is too large")
    return value, position


def _read_groups(data: bytes, position: int, end: int, most: int) -> tuple[int, int]:
    """The number in up to `most` bytes of seven bits each, and where it ends."""
    value = 0
    for shift in range(0, 7 * most, 7):
        if position >= end:
            raise cut_short(position)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise WireError(f"protobuf number of more than {most} bytes before byte {position}")


def _fixed_size(wire_type: int, position: int) -> int:
    if wire_type in _FIXED_SIZES:
        return _FIXED_SIZES[wire_type]
    if wire_type == END_GROUP:
        raise WireError(f"protobuf group ends at byte {position} without having begun")
    raise WireError(f"protobuf wire type {wire_type} at byte {position} does not exist")


def _skip_group(data: bytes, position: int, end: int, number: int) -> int:
    """Where the group that began just before `position` ends."""
    open_groups = [number]
    while open_groups:
        tag, position = _read_short(data, position, end, _MAX_TAG)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise WireError(f"protobuf field number 0 at byte {position}; expected 1 or more")
        if wire_type == VARINT:
            _, position = read_varint(data, position, end)
        elif wire_type == LENGTH:
            _, position = read_length(data, position, end)
        elif wire_type == START_GROUP:
            open_groups.append(number)
            if len(open_groups) > _MAX_GROUPS:
                raise WireError(f"protobuf groups at byte {position} nest deeper than {_MAX_GROUPS}")
        elif wire_type == END_GROUP:
            if open_groups.pop() != number:
                raise WireError(f"protobuf group ends at byte {position} with another number")
        else:
            position += _fixed_size(wire_type, position)
            if position > end:
                raise cut_short(position)
    return position
