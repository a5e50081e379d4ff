"""Text as JSON strings, escaped as Go escapes it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftage.data.text_json import write_name, write_texts

# A text, as a name, and as a value.
SPELLINGS = [
    ("a", "a", "a"),
    ("<&>", "<&>", r"\u003c\u0026\u003e"),
    ("\u2028\u2029", "\u2028\u2029", r"\u2028\u2029"),
    ("\b\f\n\r\t\0", r"\u0008\u000c\n\r\t\u0000", r"\u0008\u000c\n\r\t\u0000"),
    ('"/\\', '\\"/\\\\', '\\"/\\\\'),
    ("\x7fé😀\ufffd", "\x7fé😀\ufffd", "\x7fé😀\ufffd"),
    ("a\udcffb", r"a\ufffdb", r"a\ufffdb"),
]


@pytest.mark.parametrize(("text", "name", "value"), SPELLINGS)
def test_only_values_are_escaped_for_html(text: str, name: str, value: str) -> None:
    assert write_name(text) == f'"{name}"'
    assert write_texts([text, None]).decode() == f'["{value}",null]'


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_of_any_type_come_back_and_are_spelled_alike(texts: list[str | None]) -> None:
    written = write_texts(texts)
    assert json.loads(written) == texts
    assert write_texts([None if text is None else np.str_(text) for text in texts]) == written
