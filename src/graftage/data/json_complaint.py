"""What is wrong with a JSON text, in the words of Go's decoder.

Clients of Grafana see these words in answers of status 400. The text is walked byte by byte as Go does,
because Go names the byte (`ï` for a byte order mark); no value is built, so that depth costs no stack.

Source: Go, encoding/json, `scanner.go`; `strconv.Quote` for unprintable bytes.
"""

from __future__ import annotations

import re
from typing import Final

# Go stops at 10000. Python's recursion limit is 1000 for a whole stack; this leaves room for the callers.
MAX_DEPTH: Final = 400

_END: Final = "unexpected EOF"
_BLANK: Final = re.compile(rb"[ \t\n\r]*")
_STRING: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_HEX: Final = re.compile(rb"[0-9a-fA-F]{0,4}")
_WORDS: Final = {b"t": b"true", b"f": b"false", b"n": b"null"}
# The parts of a number: how each looks, and what Go says when its digits are missing.
_NUMBER_PARTS: Final = (
    (re.compile(rb"-?(?=(0|[1-9][0-9]*)?)"), "in numeric literal"),
    (re.compile(rb"\.(?=([0-9]+)?)"), "after decimal point in numeric literal"),
    (re.compile(rb"[eE][-+]?(?=([0-9]+)?)"), "in exponent of numeric literal"),
)
_SHORT_QUOTES: Final = {
    "'": r"\'", "\\": "\\\\", "\a": r"\a", "\b": r"\b", "\f": r"\f",
    "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v",
}  # fmt: skip


class _Broken(Exception):
    """A byte that may not stand where it stands."""


def complaint(text: bytes, *, first_only: bool) -> str | None:
    """What Go says about a text; None if it is JSON. With `first_only` anything may follow the value."""
    try:
        _walk(text, first_only=first_only)
    except _Broken as broken:
        return str(broken)
    return None


def _walk(text: bytes, *, first_only: bool) -> None:
    nesting: list[bytes] = []  # the brackets that are open
    position = 0
    wanted = "value"
    while True:
        position = _past_blanks(text, position)
        if wanted == "end" and not nesting:
            if not first_only and position < len(text):
                raise _broken(text, position, "after top-level value")
            return
        if position == len(text) and not nesting and wanted == "value":
            raise _Broken("EOF")
        byte = _byte(text, position)
        match wanted, byte:
            case (("value" | "first value"), (b"{" | b"[")):
                nesting.append(byte)
                if len(nesting) > MAX_DEPTH:
                    raise _Broken("exceeded max depth")
                wanted = "first key" if byte == b"{" else "first value"
                position += 1
            case ("first value", b"]") | ("first key", b"}"):
                nesting.pop()
                wanted = "end"
                position += 1
            case (("value" | "first value"), _):
                position = _past_scalar(text, position)
                wanted = "end"
            case (("key" | "first key"), b'"'):
                position = _past_string(text, position)
                wanted = "colon"
            case (("key" | "first key"), _):
                raise _broken(text, position, "looking for beginning of object key string")
            case "colon", b":":
                wanted = "value"
                position += 1
            case "colon", _:
                raise _broken(text, position, "after object key")
            case "end", b",":
                wanted = "key" if nesting[-1] == b"{" else "value"
                position += 1
            case "end", _ if byte == (b"}" if nesting[-1] == b"{" else b"]"):
                nesting.pop()
                position += 1
            case _:
                after = "object key:value pair" if nesting[-1] == b"{" else "array element"
                raise _broken(text, position, f"after {after}")


def _past_scalar(text: bytes, position: int) -> int:
    byte = _byte(text, position)
    if byte == b'"':
        return _past_string(text, position)
    if byte == b"-" or byte.isdigit():
        return _past_number(text, position)
    if byte in _WORDS:
        return _past_word(text, position, _WORDS[byte])
    raise _broken(text, position, "looking for beginning of value")


def _past_word(text: bytes, position: int, word: bytes) -> int:
    for index in range(1, len(word)):
        if _byte(text, position + index) != word[index : index + 1]:
            where = f"in literal {word.decode()} (expecting {_quoted(word[index])})"
            raise _broken(text, position + index, where)
    return position + len(word)


def _past_number(text: bytes, position: int) -> int:
    for part, where in _NUMBER_PARTS:
        found = part.match(text, position)
        if found is None:
            continue
        if found[1] is None:
            raise _broken(text, found.end(), where)
        position = found.end(1)
    return position


def _past_string(text: bytes, position: int) -> int:
    found = _STRING.match(text, position)
    assert found is not None, "called where a quote stands"
    end = found.end()
    match _byte(text, end):
        case b'"':
            return end + 1
        case b"\\" if _byte(text, end + 1) == b"u":
            digits = _HEX.match(text, end + 2)
            assert digits is not None, "the pattern matches nothing, too"
            raise _broken(text, digits.end(), r"in \u hexadecimal character escape")
        case b"\\":
            raise _broken(text, end + 1, "in string escape code")
        case _:
            raise _broken(text, end, "in string literal")


def _past_blanks(text: bytes, position: int) -> int:
    found = _BLANK.match(text, position)
    return position if found is None else found.end()


def _byte(text: bytes, position: int) -> bytes:
    if position >= len(text):
        raise _Broken(_END)
    return text[position : position + 1]


def _broken(text: bytes, position: int, where: str) -> _Broken:
    if position >= len(text):
        return _Broken(_END)
    return _Broken(f"invalid character {_quoted(text[position])} {where}")


def _quoted(byte: int) -> str:
    character = chr(byte)
    if character in _SHORT_QUOTES:
        return f"'{_SHORT_QUOTES[character]}'"
    if byte < 0x20 or byte == 0x7F:
        return rf"'\x{byte:02x}'"
    return f"'{character}'" if character.isprintable() else rf"'\u{byte:04x}'"
