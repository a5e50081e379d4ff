"""JSON text kept as its author wrote it: number literals survive, everything else has one spelling.

Grafana keeps free JSON (query models, `jsonData`, `meta`) as Go values in which a number stays the text it
was, and writes it again compactly, with keys sorted at every level. A plugin therefore sees `1.0`, `1e3` or
`12345678901234567890` exactly as the user typed them.

Source: Go, encoding/json (`encode.go` for the escapes, `decode.go` for what becomes of bad text), and
bitly/go-simplejson, which decodes with `UseNumber`.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

import msgspec

from graftage.data.json_complaint import MAX_DEPTH, complaint

_BLANKS: Final = " \t\n\r"
# Strings are matched whole (the last one may lack its end), so that a bracket inside one does not count.
_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
# Every escape in turn, so that the second backslash of `\\` is never taken for the start of another one.
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<alone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_WRITTEN_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_GO_ESCAPES: Final = {rb"\b": rb"\u0008", rb"\f": rb"\u000c"}


class JsonSyntaxError(ValueError):
    """Text is not JSON. The message is what Go's decoder says about the same bytes."""


class Number(str):
    """A number, as the text that stood in the JSON."""

    __slots__ = ()


def canonical(text: str | bytes) -> str:
    """The one spelling of a JSON text: compact, keys sorted by code point, number literals kept.

    Raises JsonSyntaxError.
    """
    return write_json(read_json(text))


def read_json(text: str | bytes) -> object:
    """The value of a JSON text: dict, list, str, Number, bool or None. Of repeated keys the last one stays.

    Bytes that are no UTF-8 become U+FFFD one by one, and so do lone surrogates. Raises JsonSyntaxError, also
    when the text nests deeper than MAX_DEPTH or goes on after its first value.
    """
    characters = _characters(text)
    value, end = _scan(characters)
    if end != len(characters) and characters[end:].strip(_BLANKS):
        raise JsonSyntaxError(_complaint(characters, first_only=False))
    return value


def first_value(text: str | bytes) -> tuple[object, int]:
    """The first JSON value of a text, and the index just behind it: what follows there is not looked at.

    Raises JsonSyntaxError as `read_json` does.
    """
    characters = _characters(text)
    value, end = _scan(characters)
    return value, end if isinstance(text, str) else len(_utf8(characters[:end]))


def write_json(value: object) -> str:
    """The JSON text of what `read_json` returned: compact, sorted, escaped as Go does for use in HTML.

    Raises ValueError for what JSON cannot hold.
    """
    return write_json_bytes(value).decode()


def write_json_bytes(value: object) -> bytes:
    """`write_json` in UTF-8."""
    try:
        written = _ENCODER.encode(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if b"\\b" in written or b"\\f" in written:
        written = _WRITTEN_ESCAPE.sub(lambda escape: _GO_ESCAPES.get(escape[0], escape[0]), written)
    return (
        written.replace(b"<", rb"\u003c")
        .replace(b">", rb"\u003e")
        .replace(b"&", rb"\u0026")
        .replace(b"\xe2\x80\xa8", rb"\u2028")
        .replace(b"\xe2\x80\xa9", rb"\u2029")
    )


def _scan(characters: str) -> tuple[object, int]:
    if characters.count("[") + characters.count("{") > MAX_DEPTH and _depth(characters) > MAX_DEPTH:
        raise JsonSyntaxError(_complaint(characters, first_only=True))
    start = len(characters) - len(characters.lstrip(_BLANKS))
    try:
        value, end = _DECODER.raw_decode(_without_surrogates(characters), start)
    except (ValueError, RecursionError) as error:
        raise JsonSyntaxError(_complaint(characters, first_only=True)) from error
    if characters[end : end + 1] in (".", "e", "E"):
        # `1.` is a number and a point for Python, a broken number for Go; `1.5.` is a number for both.
        broken = complaint(_utf8(characters), first_only=True)
        if broken is not None:
            raise JsonSyntaxError(broken)
    return value, end


def _complaint(characters: str, *, first_only: bool) -> str:
    # No complaint means that a caller's stack left too little room for a depth that is allowed.
    return complaint(_utf8(characters), first_only=first_only) or "exceeded max depth"


def _depth(characters: str) -> int:
    """How deep a text nests, counting brackets outside strings."""
    depth = deepest = 0
    for token in _BRACKET.finditer(characters):
        match token[0]:
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}":
                depth -= 1
    return deepest


def _characters(text: str | bytes) -> str:
    """Text in which every byte that is no UTF-8 stands as one lone surrogate."""
    return text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")


def _utf8(characters: str) -> bytes:
    try:
        return characters.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a str that came with surrogates of another kind
        return characters.encode("utf-8", "surrogatepass")


def _without_surrogates(characters: str) -> str:
    """The same text, of the same length, with U+FFFD for each lone surrogate and the escape of one."""
    if not characters.isascii():
        characters = _SURROGATE.sub("\ufffd", characters)
    if "\\" in characters and _SURROGATE_ESCAPE.search(characters):
        characters = _ESCAPE.sub(lambda escape: r"\ufffd" if escape["alone"] else escape[0], characters)
    return characters


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _number_as_written(value: object) -> msgspec.Raw:
    if type(value) is Number:
        return msgspec.Raw(value.encode())
    raise TypeError(f"{type(value).__name__} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_number_as_written, order="sorted")
