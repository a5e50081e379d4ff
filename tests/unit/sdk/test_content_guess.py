"""What a body is taken for."""

from __future__ import annotations

import pytest

from graftage.sdk.content_guess import BINARY, HTML, JSON, LOOKED_AT, TEXT, guess_content_type


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a": 1}', JSON),
        (b"\n [1, 2]", JSON),
        (b"[]", JSON),
        (b"{}", JSON),
        (b"[null]", JSON),
        (b"[INFO] started", TEXT),
        (b"{not json}", TEXT),
        (b"<!DOCTYPE html><p>", HTML),
        (b"  <html lang='de'>", HTML),
        (b"<htmlish>", TEXT),
        (b"<script>alert(1)</script>", TEXT),
        ("Köln\r\n\t\x1b[1mbold".encode(), TEXT),
        (b"", TEXT),
        (b"\x89PNG\r\n\x1a\n\x00", BINARY),
        (b"a\x00b", BINARY),
        ("Köln".encode("latin-1"), BINARY),
        ("ö".encode() * LOOKED_AT, TEXT),
        (b"x" + "ö".encode() * LOOKED_AT, TEXT),
    ],
)
def test_a_body_is_what_its_beginning_looks_like(body: bytes, kind: str) -> None:
    assert guess_content_type(body) == kind
