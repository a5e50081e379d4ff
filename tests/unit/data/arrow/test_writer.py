"""What the writer refuses, and the dialect it writes."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest

from graftage.data.arrow.flatbuffer import FlatBuffer
from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from support.frames import text_array


def one(field: Field) -> Frame:
    return Frame((field,))


@pytest.mark.parametrize("text", ["", " ", "{", "{'a': 1}", "NaN", "[1,]", '"\x01"', "1.", "{} {}"])
def test_json_that_is_none_is_refused_by_column_and_row(text: str) -> None:
    with pytest.raises(ValueError, match=r"field 'payload' holds .* in row 1, which is no JSON"):
        write_arrow(one(Field("payload", FieldType.JSON, text_array(["{}", text]))))


def test_a_missing_json_value_may_be_anything() -> None:
    field = Field("j", FieldType.JSON, text_array(["{}", ""]), np.array([True, False]))
    assert read_arrow(write_arrow(one(field))).fields[0].present().tolist() == [True, False]


@pytest.mark.parametrize("text", ["{}", " [1e400, 1E5, -0] ", '"\\ud800"', "[" * 300 + "]" * 300])
def test_json_that_go_takes_is_written_as_it_is(text: str) -> None:
    assert (
        read_arrow(write_arrow(one(Field("j", FieldType.JSON, text_array([text]))))).fields[0].values[0]
        == text
    )


def test_a_time_that_is_none_is_refused_by_column() -> None:
    times = np.array(["2024-01-01", "NaT"], "M8[ns]")
    with pytest.raises(ValueError, match="field 'when' holds NaT in row 1"):
        write_arrow(one(Field("when", FieldType.TIME, times)))
    write_arrow(one(Field("when", FieldType.TIME, times, np.array([True, False]))))


def test_more_text_than_offsets_of_32_bits_reach_is_refused_by_column() -> None:
    mebibyte = "x" * 2**20
    field = Field("body", FieldType.STRING, text_array([mebibyte] * 2048))
    with pytest.raises(ValueError, match=f"field 'body' holds {2**31} bytes of text"):
        write_arrow(one(field))


def test_text_that_is_no_unicode_becomes_replacement_characters() -> None:
    field = Field("\ud800", FieldType.STRING, text_array(["a\udcffb"]))
    (back,) = read_arrow(write_arrow(one(field))).fields
    assert (back.name, back.values[0]) == ("\ufffd", "a\ufffdb")


@pytest.mark.parametrize(
    "frame",
    [
        Frame(),
        Frame((Field("x", FieldType.INT64, np.zeros(0, np.int64)),)),
        Frame(
            (Field("", FieldType.INT8, np.zeros(3, np.int8)), Field("", FieldType.INT8, np.ones(3, np.int8)))
        ),
    ],
    ids=["no fields", "no rows", "names that are empty and the same"],
)
def test_every_file_has_exactly_one_batch(frame: Frame) -> None:
    file = pa.ipc.open_file(write_arrow(frame))
    assert file.num_record_batches == 1
    assert file.get_batch(0).num_rows == len(frame)
    assert len(file.schema) == len(frame.fields)


def test_absent_metadata_is_left_out_and_empty_metadata_is_not() -> None:
    field = Field("x", FieldType.INT8, np.zeros(1, np.int8))
    schema = pa.ipc.open_file(write_arrow(one(field))).schema
    assert schema.metadata == {b"name": b"", b"refId": b""}
    assert schema.field(0).metadata == {b"tstype": b"number"}
    field = Field("x", FieldType.ENUM, np.zeros(1, np.uint16), labels={}, config={})
    schema = pa.ipc.open_file(write_arrow(Frame((field,), "n", "A", {}))).schema
    assert schema.metadata == {b"name": b"n", b"refId": b"A", b"meta": b'{"typeVersion":[0,0]}'}
    assert schema.field(0).metadata == {b"tstype": b"enum", b"labels": b"{}", b"config": b"{}"}


def test_every_part_begins_at_a_multiple_of_eight_bytes() -> None:
    fields = (
        Field("flag", FieldType.BOOL, np.ones(3, np.bool_), np.array([True, False, True])),
        Field("text", FieldType.STRING, text_array(["a", "bc", ""])),
        Field("number", FieldType.FLOAT64, np.ones(3)),
    )
    file = write_arrow(Frame(fields, "odd", "A"))
    (size,) = struct.unpack("<i", file[-10:-6])
    footer = FlatBuffer(memoryview(file)[-10 - size : -10], "it").root()
    (start, metadata, body), *others = footer.structs(3, struct.Struct("<qi4xq"))
    assert not others
    assert [start % 8, metadata % 8, body % 8] == [0, 0, 0]
    batch = FlatBuffer(memoryview(file)[start + 8 : start + metadata], "it").root().table(2)
    assert batch is not None
    assert all(offset % 8 == 0 for offset, _ in batch.structs(2, struct.Struct("<qq")))


def test_arrays_need_not_be_contiguous() -> None:
    frame = one(Field("x", FieldType.INT64, np.arange(10)[::2]))
    assert read_arrow(write_arrow(frame)).fields[0].values.tolist() == [0, 2, 4, 6, 8]
