"""Text and its bytes, with U+FFFD for what is no UTF-8, one for each byte, as Go has it."""

from __future__ import annotations

import re
from typing import Final

_REPLACEMENT: Final = "\ufffd"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def decode_utf8(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _SURROGATE.sub(_REPLACEMENT, content.decode("utf-8", "surrogateescape"))


def encode_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(_REPLACEMENT, text).encode()
