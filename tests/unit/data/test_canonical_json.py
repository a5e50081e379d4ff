"""JSON kept as written, and complaints in the words of Go."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.data.canonical_json import (
    JsonSyntaxError,
    Number,
    canonical,
    first_value,
    read_json,
    write_json,
)
from graftage.data.json_complaint import MAX_DEPTH, complaint

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.sampled_from(["1.0", "1E-7", "-0", "12345678901234567890"]).map(Number),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (' { "b" : [ 3 , 1 ] , "a" : null } ', '{"a":null,"b":[3,1]}'),
        ('{"b":{"y":1,"x":2},"a":[{"d":1,"c":2}]}', '{"a":[{"c":2,"d":1}],"b":{"x":2,"y":1}}'),
        ("[1.0,1e3,1E-7,-0,12345678901234567890]", "[1.0,1e3,1E-7,-0,12345678901234567890]"),
        ('"<b>&\u2028\u2029\'/"', r'"\u003cb\u003e\u0026\u2028\u2029' + "'/\""),
        (r'"\u00e9\ud83d\ude00\/\u0041"', '"é😀/A"'),
        (r'"\b\f\n\r\t\u0001\\b\\f"', r'"\u0008\u000c\n\r\t\u0001\\b\\f"'),
        ('"\x7f"', '"\x7f"'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"é":1,"z":2,"😀":3,"":4}', '{"":4,"z":2,"é":1,"😀":3}'),
    ],
)
def test_a_text_has_one_spelling_and_its_numbers_stay(text: str, written: str) -> None:
    assert canonical(text) == canonical(text.encode()) == written
    assert canonical(written) == written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udc00\ud800x"', "\ufffd\ufffdx"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\\ud800"', r"\ud800"),
        (b'"\xe2\x82"', "\ufffd\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
    ],
)
def test_what_is_no_character_becomes_a_replacement(text: bytes, value: str) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b"{nope", "invalid character 'n' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"'a'", r"invalid character '\'' looking for beginning of value"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b"\x80", r"invalid character '\u0080' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"-Infinity", "invalid character 'I' in numeric literal"),
        (b"nil", "invalid character 'i' in literal null (expecting 'u')"),
        (b"truth", "invalid character 't' in literal true (expecting 'e')"),
        (b"[01]", "invalid character '1' after array element"),
        (b"+1", "invalid character '+' looking for beginning of value"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1e ", "invalid character ' ' in exponent of numeric literal"),
        (b'"a\nb"', r"invalid character '\n' in string literal"),
        (rb'"\x"', "invalid character 'x' in string escape code"),
        (rb'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
        (b'{"a":1}x', "invalid character 'x' after top-level value"),
        (b'{"a":1', "unexpected EOF"),
        (b'"abc', "unexpected EOF"),
        (b'"abc\\', "unexpected EOF"),
        (b'"\\u12', "unexpected EOF"),
        (b"[1.", "unexpected EOF"),
        (b"-", "unexpected EOF"),
        (b"tru", "unexpected EOF"),
        (b'["\\"]', "unexpected EOF"),
    ],
)
def test_a_broken_text_gets_the_complaint_of_go(text: bytes, said: str) -> None:
    with pytest.raises(JsonSyntaxError) as caught:
        read_json(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "value", "end"),
    [
        (b'{"a":1} trailing', {"a": "1"}, 7),
        (b' "\xc3\xa9\xff"]', "é\ufffd", 6),
        (b"1x", "1", 1),
        (b"1.5.", "1.5", 3),
        (b"nullx", None, 4),
    ],
)
def test_text_after_the_first_value_is_not_looked_at(text: bytes, value: object, end: int) -> None:
    assert first_value(text) == (value, end)


def test_a_number_that_breaks_off_is_no_first_value() -> None:
    with pytest.raises(JsonSyntaxError, match="after decimal point"):
        first_value(b"1.x")


@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_depth_has_a_limit_that_does_not_depend_on_the_stack(bracket: str) -> None:
    opening = "[" if bracket == "[]" else '{"a":'

    def nested(depth: int) -> str:
        return opening * (depth - 1) + bracket + bracket[1] * (depth - 1)

    assert canonical(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(JsonSyntaxError, match="exceeded max depth"):
            read_json(nested(depth))
    assert read_json(json.dumps("[" * 2 * MAX_DEPTH)) == "[" * 2 * MAX_DEPTH
    assert len(str(read_json("[" + "[]," * 2 * MAX_DEPTH + "[]]"))) > MAX_DEPTH


def test_what_is_no_json_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="object is no JSON"):
        write_json([object()])
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="not JSON"):
        write_json(endless)


@SETTINGS
@given(JSON)
def test_reading_is_the_inverse_of_writing(value: object) -> None:
    assert read_json(write_json(value)) == value
    assert json.loads(write_json(value), parse_float=str, parse_int=str) == value


@SETTINGS
@given(st.binary(max_size=40) | st.text('[]{}",:\\u0123eE+-.truefalsn d8', max_size=30).map(str.encode))
def test_python_and_the_complaint_agree_on_what_is_json(text: bytes) -> None:
    said: str | None = None
    try:
        read_json(text)
    except JsonSyntaxError as error:
        said = str(error)
    assert said == complaint(text, first_only=False)
