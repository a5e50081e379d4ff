from __future__ import annotations

import pytest

from graftage.server.content_type import content_type


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"<html>", "text/html; charset=utf-8"),
        (b" \n<!doctype HTML >", "text/html; charset=utf-8"),
        (b"<b >", "text/html; charset=utf-8"),
        (b"<bold>", "text/plain; charset=utf-8"),
        (b'\n<?xml version="1.0"?>', "text/xml; charset=utf-8"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        (b"\x1f\x8b\x08\x00", "application/x-gzip"),
        (b'{"a":1}', "text/plain; charset=utf-8"),
        ("é\t\r\n\x1b[0m".encode(), "text/plain; charset=utf-8"),
        (b"a\x00b", "application/octet-stream"),
        (b" " * 512 + b"\x00", "text/plain; charset=utf-8"),
    ],
)
def test_a_body_is_what_it_starts_like(start: bytes, expected: str) -> None:
    assert content_type(start) == expected
