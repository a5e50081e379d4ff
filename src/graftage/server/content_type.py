"""What a body is when nobody says: the guess that Go's HTTP server makes from its first bytes.

Source: Go, net/http `DetectContentType`, after https://mimesniff.spec.whatwg.org. Fonts, sound and video,
which no data source answers with, are left to be `application/octet-stream`.
"""

from __future__ import annotations

import re
from typing import Final

# As many bytes as Go looks at.
LOOKED_AT: Final = 512

_HTML: Final = re.compile(
    rb"[\t\n\f\r ]*<(?:!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|B|BODY|BR|P|!--)"
    rb"[ >]",
    re.IGNORECASE,
)
_XML: Final = re.compile(rb"[\t\n\f\r ]*<\?xml")
_SIGNATURES: Final = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
)
_NEVER_IN_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def content_type(start: bytes) -> str:
    """The media type of a body that starts with these bytes."""
    start = start[:LOOKED_AT]
    if _HTML.match(start):
        return "text/html; charset=utf-8"
    if _XML.match(start):
        return "text/xml; charset=utf-8"
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    return "application/octet-stream" if _NEVER_IN_TEXT.search(start) else "text/plain; charset=utf-8"
