"""Text as JSON strings, escaped as Go escapes it: for use in HTML where values stand, and without in names.

Source: Go, encoding/json (`appendString`); json-iterator/go, stream_str.go (`WriteString`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graftage.data.canonical_json import write_json_bytes

_ESCAPES: Final = (
    {code: f"\\u{code:04x}" for code in range(0x20)}
    | dict.fromkeys(range(0xD800, 0xE000), "\\ufffd")  # a surrogate alone: bytes that were no UTF-8
    | {ord(character): escape for character, escape in {
        '"': r"\"", "\\": "\\\\", "\n": r"\n", "\r": r"\r", "\t": r"\t",
    }.items()}
)  # fmt: skip
_HTML_ESCAPES: Final = _ESCAPES | {code: f"\\u{code:04x}" for code in (*b"<>&", 0x2028, 0x2029)}


def write_name(text: str) -> str:
    """One text as JSON, `<` and its like as they are."""
    return f'"{text.translate(_ESCAPES)}"'


def write_texts(texts: Sequence[str | None]) -> bytes:
    """A JSON array of texts, and of `null` for None, escaped for HTML."""
    try:
        return write_json_bytes(texts)
    except ValueError:  # lone surrogates, or text of a type of its own: slower, and rare
        escaped = ("null" if text is None else f'"{text.translate(_HTML_ESCAPES)}"' for text in texts)
        return f"[{','.join(escaped)}]".encode()
