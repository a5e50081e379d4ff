"""Frames as JSON and back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftage.data.arrow.reader import read_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_json import read_frame_json, write_frame_json
from graftage.data.intake import frame_from
from graftage.errors import WireError
from support.frames import frames, text_array

GOLDEN = Path(__file__).parents[2] / "golden" / "frames"
RECORDED = {
    record["file"]: line[line.index('"frame":') + len('"frame":') : -1]
    for line in (GOLDEN / "go-sdk-2026-08.jsonl").read_text(encoding="utf-8").splitlines()
    if (record := json.loads(line))["ok"]
}


def text_of(frame: Frame, **parts: bool) -> str:
    return b"".join(write_frame_json(frame, **parts)).decode()


def data_of(*fields: Field) -> str:
    return text_of(Frame(fields), schema=False)


def read_values(kind: str, values: str, *, nullable: bool = True, more: str = "") -> list[Any]:
    schema = {"fields": [{"name": "x", "typeInfo": {"frame": kind, "nullable": nullable}}]}
    frame = read_frame_json(f'{{"schema":{json.dumps(schema)},"data":{{"values":[{values}]{more}}}}}')
    return shown(frame.fields[0])


def shown(field: Field) -> list[Any]:
    return [
        value if present else None
        for value, present in zip(field.values.tolist(), field.present(), strict=True)
    ]


@pytest.mark.parametrize("file", sorted(RECORDED))
def test_a_frame_is_written_as_the_go_sdk_writes_it(file: str) -> None:
    frame = read_arrow((GOLDEN / "arrow" / file).read_bytes())
    assert text_of(frame) == RECORDED[file]


@pytest.mark.parametrize("file", sorted(RECORDED))
def test_what_the_go_sdk_wrote_is_read_and_written_again(file: str) -> None:
    assert text_of(read_frame_json(RECORDED[file])) == RECORDED[file]


def test_every_escape_and_every_form_of_a_number_is_that_of_the_go_sdk() -> None:
    """The frame of tests/golden/frames/json_encoding_probe.go.txt."""
    numbers = [1e21, 1e20, 1e-6, 1e-7, 123456789012345680, -0.0, 0.1, 1.5e300, 5e-324, 1e100]
    short = [1e21, 1e20, 1e-6, 1e-7, 16777216, 0, 0.1, 3.4e38, 1e-45, 1e10]
    texts = ["<", "\u2028", "é", "\x01", "\x7f", "\udcff", "/", "\b\f\n\r\t", '"\\', "😀"]
    jsons = ['{"a": "<b>"}', "[1,  2]", '"é"', "1e5", "", "", "bad", "null", "true", " 1 "]
    frame = Frame(
        (
            Field("<f>", FieldType.FLOAT64, np.array(numbers), labels={"<k>": "<v>\u2028"}),
            Field(
                "f32",
                FieldType.FLOAT32,
                np.array(short, np.float32),
                config={"displayName": "<c>", "unit": "\u2028"},
            ),
            Field("s", FieldType.STRING, text_array(texts)),
            Field("j", FieldType.JSON, text_array(jsons)),
        ),
        "<n>&\u2028é",
        "<A>",
        {"custom": {"<b>": "é\u2028"}, "executedQueryString": "a<b"},
    )
    recorded = (GOLDEN / "json_encoding.txt").read_text(encoding="utf-8").rstrip("\n")
    # The recording names a key of `custom` one character shorter than the probe that is kept beside it.
    assert text_of(frame).replace(r"\u003cb\u003e", r"\u003cb") + " <nil>" == recorded


def test_what_is_empty_is_left_out_and_what_is_absent_too() -> None:
    assert text_of(Frame()) == '{"schema":{"fields":[]},"data":{"values":[]}}'
    field = Field("", FieldType.BOOL, np.zeros(0, np.bool_), labels={}, config={})
    assert text_of(Frame((field,)), data=False) == (
        '{"schema":{"fields":[{"type":"boolean","typeInfo":{"frame":"bool"},"labels":{},"config":{}}]}}'
    )


def test_a_part_can_stand_alone() -> None:
    frame = frame_from({"x": [1]})
    schema, data = text_of(frame, data=False), text_of(frame, schema=False)
    assert list(json.loads(schema)) == ["schema"]
    assert data == '{"data":{"values":[[1]]}}'
    assert text_of(frame) == f"{schema[:-1]},{data[1:]}"


def test_times_are_milliseconds_rounded_down_and_the_rest_stands_apart() -> None:
    moments = np.array([0, -500, 1_700_000_000_123_456_789], "datetime64[ns]")
    valid = np.array([True, True, False])
    assert data_of(Field("t", FieldType.TIME, moments), Field("x", FieldType.INT8, np.zeros(3, np.int8))) == (
        '{"data":{"values":[[0,-1,1700000000123],[0,0,0]],"nanos":[[0,999500,456789],null]}}'
    )
    assert data_of(Field("t", FieldType.TIME, moments, valid)) == (
        '{"data":{"values":[[0,-1,null]],"nanos":[[0,999500,0]]}}'
    )
    assert data_of(Field("t", FieldType.TIME, moments[:1])) == '{"data":{"values":[[0]]}}'


def test_numbers_that_json_lacks_stand_apart_unless_they_are_missing() -> None:
    numbers = np.array([math.nan, 1, math.inf, -math.inf, math.nan])
    valid = np.array([True, True, True, True, False])
    plain = Field("x", FieldType.FLOAT64, np.ones(5))
    assert data_of(plain, Field("y", FieldType.FLOAT64, numbers, valid)) == (
        '{"data":{"values":[[1,1,1,1,1],[null,1,null,null,null]],'
        '"entities":[null,{"NaN":[0],"Inf":[2],"NegInf":[3]}]}}'
    )
    assert "entities" not in data_of(Field("y", FieldType.FLOAT64, numbers[4:], valid[4:]))


def test_a_long_column_is_written_in_chunks_that_fit_together() -> None:
    count = 20_000
    numbers = np.arange(count) / 8
    texts = [f"<{row}>" for row in range(count)]
    valid = np.arange(count) % 3 > 0
    frame = Frame(
        (
            Field("x", FieldType.FLOAT64, numbers, valid),
            Field("n", FieldType.INT64, np.arange(count), valid),
            Field("s", FieldType.STRING, text_array(texts), valid),
        )
    )
    chunks = list(write_frame_json(frame))
    assert max(map(len, chunks)) < 200_000
    values = json.loads(b"".join(chunks))["data"]["values"]
    expected = [numbers.tolist(), list(range(count)), texts]
    assert values == [
        [value if present else None for value, present in zip(column, valid, strict=True)]
        for column in expected
    ]


@given(st.sampled_from(FieldType).flatmap(lambda kind: frames(kind, kind)))
def test_a_frame_comes_back_from_its_json(frame: Frame) -> None:
    back = read_frame_json(text_of(frame))
    assert (back.name, back.ref_id, back.meta is None) == (frame.name, frame.ref_id, frame.meta is None)
    for field, original in zip(back.fields, frame.fields, strict=True):
        assert (field.name, field.type, field.nullable) == (original.name, original.type, original.nullable)
        assert (field.labels, field.config) == (original.labels, original.config)
        np.testing.assert_equal(comparable(field), comparable(original))


def comparable(field: Field) -> list[Any]:
    """Its values; JSON without blanks around it, and `null` where it is missing."""
    if field.type is FieldType.JSON:
        return ["null" if value is None else value.strip() for value in shown(field)]
    return shown(field)


@pytest.mark.parametrize(
    ("kind", "values", "read"),
    [
        ("int64", '["9007199254740993",2.0,3,null,1e3]', [2**53 + 1, 2, 3, None, 1000]),
        ("uint64", "[18446744073709551615]", [2**64 - 1]),
        ("int8", '["-128"]', [-128]),
        ("float64", "[1,-0,2.5e3,null]", [1.0, -0.0, 2500.0, None]),
        ("bool", "[true,null]", [True, None]),
        ("json.RawMessage", '[{"a" : 1},null,"x"]', ['{"a" : 1}', None, '"x"']),
        ("enum", "[0,65535]", [0, 65535]),
    ],
)
def test_integers_may_be_text_or_end_in_a_point_and_zero(kind: str, values: str, read: list[Any]) -> None:
    np.testing.assert_equal(read_values(kind, values), read)


@pytest.mark.parametrize(
    ("kind", "values", "read"),
    [
        ("int64", "[null,1]", [0, 1]),
        ("float64", "[null]", [0.0]),
        ("string", '[null,"a"]', ["", "a"]),
        ("bool", "[null]", [False]),
        ("time.Time", "[null]", [0]),
        ("json.RawMessage", "[null]", ["null"]),
    ],
)
def test_null_is_zero_where_nothing_may_be_missing(kind: str, values: str, read: list[Any]) -> None:
    assert read_values(kind, values, nullable=False) == read


def test_what_stands_in_data_may_come_in_any_order() -> None:
    schema = '{"fields":[{"typeInfo":{"frame":"time.Time"}},{"typeInfo":{"frame":"float32"}}]}'
    times = '"values":[[-1,2],[1,null]]'
    rest = '"nanos":[[1,0],null],"entities":[null,{"NegInf":[1],"Undef":[0]}]'
    for data in (f"{times},{rest}", f"{rest},{times}"):
        time, number = read_frame_json(f'{{"schema":{schema},"data":{{{data}}}}}').fields
        assert time.values.view(np.int64).tolist() == [-999_999, 2_000_000]
        assert number.values.tolist() == [1, -math.inf]


def test_a_schema_without_data_has_no_rows() -> None:
    frame = read_frame_json('{"schema":{"refId":"A","fields":[{"name":"x","type":"number"}]}}')
    assert (frame.ref_id, len(frame)) == ("A", 0)
    assert read_frame_json('{"schema":{"fields":null},"data":{}}').fields == ()


@pytest.mark.parametrize(
    ("simple", "values", "kind"),
    [
        ('"time"', "[1]", FieldType.TIME),
        ('"number"', "[1]", FieldType.FLOAT64),
        ('"string"', '["a"]', FieldType.STRING),
        ('"boolean"', "[true]", FieldType.BOOL),
        ('"other"', "[{}]", FieldType.JSON),
        ("null", "[[]]", FieldType.JSON),
    ],
)
def test_json_written_by_hand_needs_no_type_info(simple: str, values: str, kind: FieldType) -> None:
    (field,) = read_frame_json(
        f'{{"schema":{{"fields":[{{"type":{simple}}}]}},"data":{{"values":[{values}]}}}}'
    ).fields
    assert (field.type, field.nullable) == (kind, True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "there is no schema in front"),
        ('{"data":{},"schema":{}}', "there is no schema in front"),
        ('{"schema":{},"more":1}', "unknown key 'more'"),
        ('{"schema":[]}', "schema is list"),
        ('{"schema":{"name":1}}', "schema.name is the number 1; expected text"),
        ('{"schema":{"fields":{}}}', "schema.fields is dict"),
        ('{"schema":{"fields":[1]}}', r"schema.fields\[0\] is the number 1"),
        (
            '{"schema":{"fields":[{"typeInfo":{"frame":"int128"}}]}}',
            "'int128' is not a valid FieldType; expected",
        ),
        ('{"schema":{"fields":[{"labels":{"a":1}}]}}', r"schema.fields\[0\].labels.a is the number 1"),
        ('{"schema":{"fields":[{"config":{"decimals":-1}}]}}', r"schema.fields\[0\].*config.decimals"),
        ('{"schema":{"meta":{"typeVersion":"1"}}}', "meta.typeVersion"),
        ('{"schema":{},"data":{"values":[[1]]}}', "data.values has 1 columns, but the schema has 0"),
        (
            '{"schema":{"fields":[{"type":"number"}]},"data":{"values":[1]}}',
            r"data.values\[0\]: Expected `array`",
        ),
        (
            '{"schema":{"fields":[{"type":"number"},{"type":"number"}]},"data":{"values":[[1],[1,2]]}}',
            "mixes lengths",
        ),
    ],
)
def test_what_is_no_frame_is_refused_with_the_place(text: str, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        read_frame_json(text)


@pytest.mark.parametrize("place", ['{"schema":%s}', '{"schema":{"fields":[{}]},"data":{"values":[%s]}}'])
def test_what_nests_without_end_is_no_frame(place: str) -> None:
    with pytest.raises(WireError, match="bad JSON of a data frame"):
        read_frame_json(place % ("[" * 100_000 + "]" * 100_000))


@pytest.mark.parametrize(
    ("kind", "values", "more", "complaint"),
    [
        ("int64", "[1,1.5]", "", "row 1 is 1.5; expected an integer"),
        ("int64", '["0x10"]', "", "row 0 is '0x10'"),
        ("int64", "[true]", "", "got `bool`"),
        ("int8", "[1,128]", "", r"Expected `int` <= 127 - at `\$\[1\]`"),
        ("int8", '["128"]', "", "Expected `int` <= 127"),
        ("uint64", "[-1]", "", "Expected `int` >= 0"),
        ("uint64", "[18446744073709551616]", "", "expected integers of uint64"),
        ("int64", "[9223372036854775808]", "", "Expected `int` <= 9223372036854775807"),
        ("float64", '["1"]', "", "got `str`"),
        ("float64", "[NaN]", "", "malformed"),
        ("float64", "[1e400]", "", "out of range"),
        ("float32", "[0,1e39]", "", "row 1 is too large for float32"),
        ("string", "[1]", "", "got `int`"),
        ("time.Time", "[9223372036855]", "", "row 0 is a time beyond the years"),
        ("time.Time", "[1]", ',"nanos":[[1,2]]', "1 times have 2 nanos"),
        ("time.Time", "[1]", ',"nanos":[[1000000]]', "nanos"),
        ("time.Time", "[1]", ',"nanos":[[1],[1]]', "data.nanos has 2 columns"),
        ("int64", "[1]", ',"nanos":[[1]]', "only times can"),
        ("int64", "[1]", ',"entities":[{"NaN":[0]}]', "only floating point numbers can"),
        ("float64", "[1]", ',"entities":[{"NaN":[1]}]', "row 1 is NaN, but there are only 1 rows"),
        ("float64", "[1]", ',"entities":[{"NaN":[-1]}]', ">= 0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_row(kind: str, values: str, more: str, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        read_values(kind, values, more=more)


def test_the_first_and_the_last_moment_come_back() -> None:
    limits = np.array([-(2**63) + 1, 2**63 - 1], "datetime64[ns]")
    frame = Frame((Field("t", FieldType.TIME, limits),))
    assert read_frame_json(text_of(frame)).fields[0].values.tolist() == limits.tolist()
