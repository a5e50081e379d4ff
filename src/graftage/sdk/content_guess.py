"""What a body looks like, for answers whose author did not say.

    {"a": 1}, [1, 2]            application/json
    <!doctype html>, <html>     text/html
    other text in UTF-8         text/plain
    anything else               application/octet-stream

Fewer kinds than the Go SDK knows, which guesses with Go's `http.DetectContentType`: a browser must not take
text from elsewhere for a page.
"""

from __future__ import annotations

import codecs
import re

LOOKED_AT = 512  # bytes, as in Go
JSON = "application/json"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"

_JSON = re.compile(rb'\s*(?:\{\s*["}]|\[\s*(?:["{\[\]\d-]|true|false|null))')
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def guess_content_type(body: bytes) -> str:
    """body: its beginning, or all of it."""
    start = body[:LOOKED_AT]
    if not _is_text(start):
        return BINARY
    if _HTML.match(start):
        return HTML
    return JSON if _JSON.match(start) else TEXT


def _is_text(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # its last character may be cut
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(start)
