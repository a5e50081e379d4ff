"""Files against the library of those who made the format: each reads what the other wrote."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.errors import WireError
from support.frames import column, frames, plain, seen, text_array

SETTINGS = settings(max_examples=15, deadline=None, derandomize=True)

TYPES = {
    FieldType.TIME: pa.timestamp("ns"),
    FieldType.FLOAT64: pa.float64(),
    FieldType.FLOAT32: pa.float32(),
    FieldType.INT8: pa.int8(),
    FieldType.INT16: pa.int16(),
    FieldType.INT32: pa.int32(),
    FieldType.INT64: pa.int64(),
    FieldType.UINT8: pa.uint8(),
    FieldType.UINT16: pa.uint16(),
    FieldType.UINT32: pa.uint32(),
    FieldType.UINT64: pa.uint64(),
    FieldType.STRING: pa.string(),
    FieldType.BOOL: pa.bool_(),
    FieldType.JSON: pa.binary(),
    FieldType.ENUM: pa.uint16(),
}


def arrow_array(field: Field) -> pa.Array:
    """A field as pyarrow builds it from NumPy."""
    values = field.values
    if field.type is FieldType.JSON:
        values = np.array([text.encode() for text in values], object)
    return pa.array(values, TYPES[field.type], mask=~field.present())


def arrow_table(frame: Frame) -> pa.Table:
    columns = [
        pa.field(
            field.name,
            TYPES[field.type],
            field.nullable,
            {"tstype": field.type.browser_type}
            | ({} if field.labels is None else {"labels": json.dumps(field.labels)})
            | ({} if field.config is None else {"config": json.dumps(field.config)}),
        )
        for field in frame.fields
    ]
    metadata = {"name": frame.name, "refId": frame.ref_id}
    if frame.meta is not None:
        metadata["meta"] = json.dumps(frame.meta)
    return pa.table([arrow_array(field) for field in frame.fields], pa.schema(columns, metadata))


def file_of(table: pa.Table, *, rows: int | None = None, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, rows)
    return bytes(sink.getvalue())


def table_of(file: bytes) -> pa.Table:
    table = pa.ipc.open_file(file).read_all()
    table.validate(full=True)
    return table


@pytest.mark.parametrize("kind", FieldType)
@given(data=st.data())
@SETTINGS
def test_pyarrow_reads_what_we_write(kind: FieldType, data: st.DataObject) -> None:
    frame = data.draw(frames(kind))
    table, expected = table_of(write_arrow(frame)), arrow_table(frame)
    assert table.schema.remove_metadata() == expected.schema.remove_metadata()
    assert table.num_rows == len(frame)
    assert table.schema.metadata[b"name"] == frame.name.encode()
    written, field = table.column(0).combine_chunks(), frame.fields[0]
    assert written.is_null().to_pylist() == (~field.present()).tolist()
    back = np.array(written.fill_null(0 if kind.dtype != object and kind is not FieldType.BOOL else None))
    if kind.dtype.kind in "iuM":
        shown = np.where(field.present(), field.values, np.zeros((), field.values.dtype))
        np.testing.assert_array_equal(back.astype(field.values.dtype), shown)
    else:
        assert repr(written.to_pylist()) == repr(expected.column(0).to_pylist())
    labels = table.schema.field(0).metadata.get(b"labels")
    assert (None if labels is None else json.loads(labels)) == field.labels


@pytest.mark.parametrize("kind", FieldType)
@given(data=st.data())
@SETTINGS
def test_we_read_what_pyarrow_writes(kind: FieldType, data: st.DataObject) -> None:
    frame = data.draw(frames(kind, FieldType.INT64))
    assert seen(read_arrow(file_of(arrow_table(frame)))) == seen(frame)


@given(data=st.data())
@SETTINGS
def test_we_read_what_we_write(data: st.DataObject) -> None:
    frame = data.draw(frames(*FieldType))
    assert seen(read_arrow(write_arrow(frame))) == seen(frame)


INT64, UINT64 = np.iinfo(np.int64), np.iinfo(np.uint64)
EXTREMES = {
    FieldType.INT64: [INT64.min, -1, 0, 2**53 + 1, INT64.max],
    FieldType.UINT64: [0, 2**53 + 1, UINT64.max],
    FieldType.FLOAT64: [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e21, 1e-7],
    FieldType.FLOAT32: [np.nan, np.inf, -np.inf, -0.0, 0.1, 3.4e38],
    # The epoch, just before it, and the first and last moments that there are.
    FieldType.TIME: [0, -1, -1_000_000, 123_456_789, INT64.min + 1, INT64.max],
    FieldType.STRING: ["", "\0", "a\0b", "é", "日本", "😀", '"q"\\', "\u2028"],
    FieldType.ENUM: [0, 65535],
}


@pytest.mark.parametrize("kind", EXTREMES)
def test_extremes_survive_both_ways(kind: FieldType) -> None:
    frame = Frame((Field("x", kind, column(kind, EXTREMES[kind])),))
    assert seen(read_arrow(write_arrow(frame))) == seen(frame)
    assert seen(read_arrow(file_of(table_of(write_arrow(frame))))) == seen(frame)


@given(data=st.data())
@SETTINGS
def test_batches_of_a_file_are_one_frame(data: st.DataObject) -> None:
    frame = data.draw(frames(*FieldType))
    assert seen(read_arrow(file_of(arrow_table(frame), rows=3))) == seen(frame)


@pytest.mark.parametrize(
    "options",
    [
        {"metadata_version": pa.ipc.MetadataVersion.V4},
        {"metadata_version": pa.ipc.MetadataVersion.V4, "use_legacy_format": True},
        {"compression": "lz4"},
        {"compression": "zstd"},
    ],
    ids=["version 4", "before continuation markers", "LZ4", "ZSTD"],
)
@given(data=st.data())
@SETTINGS
def test_older_and_compressed_files_are_read(options: dict[str, object], data: st.DataObject) -> None:
    frame = data.draw(frames(*FieldType))
    assert seen(read_arrow(file_of(arrow_table(frame), **options))) == seen(frame)


@given(values=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)))
@SETTINGS
def test_views_of_text_are_read(values: list[str | None]) -> None:
    table = pa.table({"x": pa.array(values, pa.string_view())})
    assert plain(read_arrow(file_of(table)).fields[0]) == values


def test_a_slice_of_a_table_is_read_with_its_own_rows() -> None:
    frame = Frame(
        (
            Field("n", FieldType.INT64, np.arange(40), np.arange(40) % 3 > 0),
            Field("s", FieldType.STRING, text_array([f"é{i}" for i in range(40)])),
            Field("b", FieldType.BOOL, np.arange(40) % 5 > 2),
        )
    )
    part = read_arrow(file_of(arrow_table(frame).slice(11, 13)))
    assert [plain(field) for field in part.fields] == [plain(field)[11:24] for field in frame.fields]


def test_timestamps_of_other_units_count_as_nanoseconds_as_in_grafana() -> None:
    table = pa.table({"t": pa.array([1700], pa.timestamp("ms", "Europe/Berlin"))})
    assert read_arrow(file_of(table)).fields[0].values.view(np.int64).tolist() == [1700]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (pa.null(), "NULL"),
        (pa.float16(), "float of 16 bits"),
        (pa.large_string(), "LARGE_UTF8"),
        (pa.large_binary(), "LARGE_BINARY"),
        (pa.binary_view(), "BINARY_VIEW"),
        (pa.binary(3), "FIXED_SIZE_BINARY"),
        (pa.date32(), "DATE"),
        (pa.time64("ns"), "TIME"),
        (pa.duration("s"), "DURATION"),
        (pa.decimal128(5), "DECIMAL"),
        (pa.list_(pa.int8()), "LIST"),
        (pa.list_(pa.int8(), 2), "FIXED_SIZE_LIST"),
        (pa.struct({"a": pa.int8()}), "STRUCT"),
        (pa.map_(pa.int8(), pa.int8()), "MAP"),
        (pa.dictionary(pa.int8(), pa.string()), "dictionary"),
        (pa.month_day_nano_interval(), "INTERVAL"),
        (pa.run_end_encoded(pa.int16(), pa.int8()), "RUN_END_ENCODED"),
    ],
    ids=str,
)
def test_types_that_frames_lack_are_refused_by_name(kind: pa.DataType, word: str) -> None:
    file = file_of(pa.table({"ok": pa.array([1]), "odd": pa.nulls(1, kind)}))
    with pytest.raises(WireError, match=f"field 'odd' has the Arrow type .*{word}"):
        read_arrow(file)


def test_thousands_of_columns_and_a_hundred_thousand_rows_are_no_attack() -> None:
    wide = file_of(pa.table({str(index): pa.array([index]) for index in range(2000)}))
    assert [field.values[0] for field in read_arrow(wide).fields] == list(range(2000))
    texts = text_array([f"host-{index}" for index in range(100_000)])
    frame = Frame(
        (Field("s", FieldType.STRING, texts), Field("n", FieldType.UINT32, np.arange(100_000, dtype="u4")))
    )
    assert seen(read_arrow(write_arrow(frame))) == seen(frame)
