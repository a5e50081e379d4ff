"""What the reader makes of files that are damaged, or that lie."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.data.arrow.flatbuffer import FlatBuffer
from graftage.data.arrow.flatbuffer_writing import Scalar, Structs, TableNode, write_flatbuffer
from graftage.data.arrow.layout import (
    BLOCK,
    BUFFER,
    CONTINUATION,
    INT32,
    MAGIC,
    NODE,
    RECORD_BATCH,
    V5,
    TypeId,
)
from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.texts import bytes_of_texts, texts_at, texts_of_views
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.errors import WireError
from support.frames import compressed, text_array

SETTINGS = settings(max_examples=300, deadline=None, derandomize=True)

FRAME = Frame(
    (
        Field("t", FieldType.TIME, np.arange(9).astype("M8[ns]")),
        Field("n", FieldType.FLOAT64, np.arange(9.0), np.arange(9) > 3, {"host": "a"}, {"unit": "s"}),
        Field("s", FieldType.STRING, text_array(["é", "", "abc"] * 3)),
        Field("b", FieldType.BOOL, np.arange(9) % 2 > 0),
        Field("j", FieldType.JSON, text_array(["{}"] * 9)),
    ),
    "cpu",
    "A",
    {"type": "table"},
)
FILE = write_arrow(FRAME)

INT_64 = TableNode({0: Scalar("<i", 64), 1: Scalar("<B", 1)})


def column(
    name: str, kind: int = TypeId.INT, details: TableNode = INT_64, *, nullable: bool = True
) -> TableNode:
    return TableNode({0: name, 1: Scalar("<B", nullable), 2: Scalar("<B", kind), 3: details})


def file_of(
    schema: TableNode | None,
    batch: TableNode | None = None,
    body: bytes = b"",
    *,
    version: int = V5,
    kind: int = RECORD_BATCH,
    blocks: int = 1,
    claimed: tuple[int, int, int] | None = None,
) -> bytes:
    """An Arrow file of these tables. claimed: what the footer says of its batch, if not the truth."""
    message = b""
    if batch is not None:
        content = write_flatbuffer(TableNode({0: Scalar("<h", version), 1: Scalar("<B", kind), 2: batch}))
        message = CONTINUATION + INT32.pack(len(content)) + content
    start = MAGIC + b"\0\0"
    block = BLOCK.pack(*(claimed or (len(start), len(message), len(body))))
    slots = {} if schema is None else {1: schema}
    if batch is not None:
        slots[3] = Structs(blocks, block * blocks)
    footer = write_flatbuffer(TableNode(slots))
    return b"".join((start, message, body, footer, INT32.pack(len(footer)), MAGIC))


def batch_of(
    rows: int, nodes: list[tuple[int, int]], buffers: list[tuple[int, int]], **more: object
) -> TableNode:
    slots: dict[int, object] = {
        0: Scalar("<q", rows),
        1: Structs(len(nodes), b"".join(NODE.pack(*node) for node in nodes)),
        2: Structs(len(buffers), b"".join(BUFFER.pack(*buffer) for buffer in buffers)),
    }
    if "codec" in more:
        slots[3] = TableNode({0: Scalar("<b", more["codec"])})
    if "views" in more:
        slots[4] = Structs(1, struct.pack("<q", more["views"]))
    return TableNode(slots)


def schema_of(*columns: TableNode, endianness: int = 0) -> TableNode:
    return TableNode({0: Scalar("<h", endianness), 1: list(columns)})


NUMBERS = schema_of(column("x"))
TEXTS = schema_of(column("x", TypeId.UTF8, TableNode({})))
VIEWS = schema_of(column("x", TypeId.UTF8_VIEW, TableNode({})))
TWO = struct.pack("<qq", 7, 8)
HUGE = 2**62

DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "0 bytes are not an Arrow file"),
    "magic only": (MAGIC, "footer has"),
    "another magic": (b"PARROW" + FILE[6:], "are not an Arrow file"),
    "a footer of no bytes": (FILE[:-10] + INT32.pack(0) + MAGIC, "footer has 0 bytes"),
    "a footer of negative size": (FILE[:-10] + INT32.pack(-8) + MAGIC, "footer has -8 bytes"),
    "a footer longer than the file": (FILE[:-10] + INT32.pack(2**31 - 1) + MAGIC, "but the file has only"),
    "no schema": (file_of(None), "no schema"),
    "big-endian": (file_of(schema_of(column("x"), endianness=1)), "big-endian"),
    "messages of version 3": (file_of(NUMBERS, batch_of(0, [(0, 0)], []), version=2), "version 3"),
    "a message of another kind": (file_of(NUMBERS, batch_of(0, [(0, 0)], []), kind=2), "another message"),
    "a batch beyond the file": (
        file_of(NUMBERS, batch_of(0, [], []), claimed=(8, 16, HUGE)),
        "lies at 8 with 16",
    ),
    "a batch before the file": (file_of(NUMBERS, batch_of(0, [], []), claimed=(-8, 16, 0)), "lies at -8"),
    "batches over one another": (
        file_of(NUMBERS, batch_of(2, [(2, 0)], [(0, 0), (0, 16)]), TWO, blocks=99),
        "record batches that lie over one another",
    ),
    "fewer columns than the schema": (
        file_of(NUMBERS, batch_of(2, [], [])),
        "0 columns where the schema has 1",
    ),
    "a negative number of rows": (file_of(NUMBERS, batch_of(-1, [(-1, 0)], [])), "has -1 rows"),
    "rows that are not there": (
        file_of(NUMBERS, batch_of(HUGE, [(HUGE, 0)], [(0, 0), (0, 16)]), TWO),
        f"field 'x': it has a buffer of 16 bytes where its rows need {8 * HUGE}",
    ),
    "columns of two lengths": (
        file_of(NUMBERS, batch_of(2, [(1, 0)], [(0, 0), (0, 16)]), TWO),
        "field 'x': it has 1 values in a batch of 2 rows",
    ),
    "too few buffers": (file_of(NUMBERS, batch_of(2, [(2, 0)], [(0, 0)])), "field 'x': it has fewer buffers"),
    "a buffer beyond the body": (
        file_of(NUMBERS, batch_of(2, [(2, 0)], [(0, 0), (8, 16)]), TWO),
        "a buffer of 16 bytes at 8, but only 16 bytes",
    ),
    "a buffer before the body": (
        file_of(NUMBERS, batch_of(2, [(2, 0)], [(0, 0), (-8, 16)]), TWO),
        "a buffer of 16 bytes at -8",
    ),
    "buffers over one another": (
        file_of(schema_of(*[column("x")] * 9), batch_of(2, [(2, 0)] * 9, [(0, 0), (0, 16)] * 9), TWO),
        "buffers that lie over one another",
    ),
    "a bitmap that is too short": (
        file_of(NUMBERS, batch_of(9, [(9, 1)], [(0, 1), (0, 15)]), TWO),
        "field 'x': it has a buffer of 1 bytes where its rows need 2",
    ),
    "offsets that descend": (
        file_of(
            TEXTS,
            batch_of(2, [(2, 0)], [(0, 0), (0, 12), (12, 4)]),
            struct.pack("<iii4s", 0, 4, 3, b"abcd"),
        ),
        "field 'x': its offsets do not ascend",
    ),
    "offsets beyond the text": (
        file_of(TEXTS, batch_of(1, [(1, 0)], [(0, 0), (0, 8), (8, 4)]), struct.pack("<ii4s", 0, 5, b"abcd")),
        "field 'x': its offsets do not ascend from 0 to at most 4",
    ),
    "negative offsets": (
        file_of(TEXTS, batch_of(1, [(1, 0)], [(0, 0), (0, 8), (8, 4)]), struct.pack("<ii4s", -1, 4, b"abcd")),
        "field 'x': its offsets do not ascend",
    ),
    "views without a count of buffers": (
        file_of(VIEWS, batch_of(1, [(1, 0)], [(0, 0), (0, 16)]), bytes(16)),
        "field 'x': it has fewer buffers",
    ),
    "more buffers of views than there are": (
        file_of(VIEWS, batch_of(1, [(1, 0)], [(0, 0), (0, 16)], views=HUGE), bytes(16)),
        "field 'x': it has fewer buffers",
    ),
    "compression of an unknown kind": (
        file_of(NUMBERS, batch_of(1, [(1, 0)], [(0, 0), (0, 8)], codec=7), bytes(8)),
        "compressed with codec 7",
    ),
    "compressed buffers without a size": (
        file_of(NUMBERS, batch_of(1, [(1, 0)], [(0, 0), (0, 5)], codec=0), bytes(8)),
        "field 'x': it has a compressed buffer of 5 bytes",
    ),
    "compressed buffers that claim too much": (
        file_of(NUMBERS, batch_of(1, [(1, 0)], [(0, 0), (0, 16)], codec=1), struct.pack("<qq", HUGE, 0)),
        f"field 'x': a compressed buffer claims {HUGE} bytes",
    ),
    "compressed buffers that are not": (
        file_of(NUMBERS, batch_of(1, [(1, 0)], [(0, 0), (0, 16)], codec=0), struct.pack("<qq", 8, 0)),
        "field 'x': a compressed buffer is no LZ4",
    ),
    "an integer of 128 bits": (
        file_of(schema_of(column("x", TypeId.INT, TableNode({0: Scalar("<i", 128)})))),
        "field 'x' has the Arrow type an integer of 128 bits",
    ),
    "an unknown type": (file_of(schema_of(column("x", 99))), "field 'x' has the Arrow type number 99"),
    "labels that are no JSON": (
        file_of(schema_of(TableNode(column("x").slots | {6: [TableNode({0: "labels", 1: "{"})]}))),
        "field 'x': its metadata `labels` cannot be read",
    ),
    "config that is no JSON": (
        file_of(schema_of(TableNode(column("x").slots | {6: [TableNode({0: "config", 1: "{"})]}))),
        "field 'x': its metadata `config` cannot be read",
    ),
    "meta that is empty": (
        file_of(TableNode({2: [TableNode({0: "meta", 1: ""})]})),
        "the frame: its metadata `meta` cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("file", "complaint"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_and_says_where(file: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        read_arrow(file)


def test_a_file_cut_short_anywhere_is_refused() -> None:
    for size in range(len(FILE)):
        with pytest.raises(WireError):
            read_arrow(FILE[:size])


@given(
    changes=st.lists(st.tuples(st.integers(0, len(FILE) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
@SETTINGS
def test_changed_bytes_give_a_frame_or_an_error_of_the_wire(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(FILE)
    for place, byte in changes:
        damaged[place] = byte
    try:
        frame = read_arrow(bytes(damaged))
    except WireError:
        return
    assert all(len(field) == len(frame) for field in frame.fields)


@pytest.mark.parametrize("offset", [0, 4, 2**31, 2**32 - 4], ids=["itself", "near", "far", "backwards"])
def test_an_offset_that_leads_astray_or_in_a_circle_ends(offset: int) -> None:
    footer = bytearray(write_flatbuffer(TableNode({1: NUMBERS})))
    root = FlatBuffer(memoryview(bytes(footer)), "it").root()
    struct.pack_into("<I", footer, root.position + root.slots[1], offset)
    with suppress(WireError):  # what an offset meets by chance may be a table without anything in it
        assert read_arrow(MAGIC + b"\0\0" + footer + INT32.pack(len(footer)) + MAGIC).fields == ()


def test_fields_that_are_all_the_same_bytes_are_refused() -> None:
    count = 100_000
    shared = TableNode({1: Structs(count, bytes(4 * count)), 5: column("x")})
    footer = bytearray(write_flatbuffer(TableNode({1: shared})))
    flat = FlatBuffer(memoryview(bytes(footer)), "it")
    schema = flat.root().table(1)
    assert schema is not None
    start, _ = flat.vector_at(flat.target(schema.position + schema.slots[1]), 4)
    field = flat.target(schema.position + schema.slots[5])
    struct.pack_into(f"<{count}I", footer, start, *range(field - start, field - start - 4 * count, -4))
    with pytest.raises(WireError, match=r"footer of .* bytes points to the same places again and again"):
        read_arrow(MAGIC + b"\0\0" + footer + INT32.pack(len(footer)) + MAGIC)


def test_names_that_all_share_one_text_are_refused() -> None:
    flat = FlatBuffer(memoryview(write_flatbuffer(TableNode({0: "x" * 10_000}))), "it")
    with pytest.raises(WireError, match="again and again"):
        [flat.root().text(0) for _ in range(10)]


def test_reading_takes_a_small_multiple_of_the_memory_of_the_file() -> None:
    rows = 40_000
    empty = text_array([""] * rows)
    for frame in (
        Frame((Field("s", FieldType.STRING, empty),)),
        Frame((Field("s", FieldType.STRING, text_array(["é€"] * rows)),)),
        Frame((Field("b", FieldType.BOOL, np.ones(rows, np.bool_), np.zeros(rows, np.bool_)),)),
    ):
        file = write_arrow(frame)
        tracemalloc.start()
        read_arrow(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 24 * len(file) + 1_000_000


@pytest.mark.parametrize("depth", [10, 399, 400, 5000])
def test_metadata_that_nests_deeply_is_read_or_refused(depth: int) -> None:
    meta = '{"custom":' + "[" * depth + "]" * depth + "}"
    file = file_of(TableNode({2: [TableNode({0: "meta", 1: meta})]}))
    with suppress(WireError):
        assert read_arrow(file).meta is not None


@pytest.mark.parametrize("key", ["meta", "labels", "config"])
def test_more_than_a_mebibyte_of_metadata_is_refused_by_name(key: str) -> None:
    def file(size: int) -> bytes:
        pair = TableNode({0: key, 1: "{" + " " * (size - 2) + "}"})
        if key == "meta":
            return file_of(TableNode({2: [pair]}))
        slots = {**column("x").slots, 6: [pair]}
        return file_of(TableNode({1: [TableNode(slots)]}))

    read_arrow(file(2**20))
    with pytest.raises(
        WireError, match=f"its metadata `{key}` has 1,048,577 characters; expected at most 1,0"
    ):
        read_arrow(file(2**20 + 1))


def test_numbers_and_times_are_views_that_cannot_be_written() -> None:
    time, number, *_ = read_arrow(FILE).fields
    for values in (time.values, number.values):
        assert not values.flags.writeable
        assert not values.flags.owndata
    assert not read_arrow(bytearray(FILE)).fields[0].values.flags.writeable


def test_nulls_of_a_field_that_is_not_nullable_are_zeros() -> None:
    for kind, zero in {pa.int64(): 0, pa.string(): "", pa.bool_(): False, pa.timestamp("ns"): 0}.items():
        schema = pa.schema([pa.field("x", kind, False)])
        values = pa.array([None, None], kind)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write(pa.record_batch([values], schema))
        field = read_arrow(bytes(sink.getvalue())).fields[0]
        assert (field.nullable, field.valid, field.values.tolist()) == (False, None, [zero, zero])


def test_a_bitmap_is_optional_whatever_the_count_of_nulls_says() -> None:
    frame = read_arrow(file_of(NUMBERS, batch_of(2, [(2, 1)], [(0, 0), (0, 16)]), TWO))
    assert (frame.fields[0].values.tolist(), frame.fields[0].valid) == ([7, 8], None)


@pytest.mark.parametrize(
    ("offsets", "content", "texts"),
    [
        ([0, 1, 4, 4], b"a\xe2\x82b", ["a", "\ufffd\ufffdb", ""]),
        ([0, 1, 2], "é".encode(), ["\ufffd", "\ufffd"]),
        ([0, 3, 3, 4], b"a\0b\0", ["a\0b", "", "\0"]),
        ([2, 3, 5], b"..abc.", ["a", "bc"]),
        ([3], b"abc", []),
        ([], b"", []),
    ],
    ids=["no UTF-8", "cut through a character", "NUL", "from the middle", "no rows", "no offsets"],
)
def test_texts_lie_between_offsets_whatever_their_bytes_are(
    offsets: list[int], content: bytes, texts: list[str]
) -> None:
    assert texts_at(np.array(offsets, np.int32), memoryview(content)).tolist() == texts


def test_long_columns_of_text_are_read_in_parts() -> None:
    texts = [f"{index} é\0"[: index % 9] for index in range(100_000)]
    offsets, content = bytes_of_texts(texts, 2**31 - 1)
    assert texts_at(offsets, memoryview(content)).tolist() == texts


@pytest.mark.parametrize(
    ("view", "complaint"),
    [
        ((-1, 0, 0, 0), "negative size"),
        ((13, 0, 1, 0), "buffer that is not there"),
        ((13, 0, -1, 0), "buffer that is not there"),
        ((13, 0, 0, -1), "outside its buffer"),
        ((13, 0, 0, 4), "outside its buffer"),
        ((2**31 - 1, 0, 0, 2**31 - 1), "outside its buffer"),
    ],
)
def test_a_view_outside_its_buffer_is_refused(view: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        texts_of_views(memoryview(struct.pack("<iIii", *view)), 1, [memoryview(bytes(16))])


def test_views_may_share_bytes_but_not_without_end() -> None:
    view = struct.pack("<iIii", 1000, 0, 0, 0)
    content = [memoryview(b"x" * 1000)]
    assert texts_of_views(memoryview(view * 3), 3, content).tolist() == ["x" * 1000] * 3
    with pytest.raises(ValueError, match="share the same bytes"):
        texts_of_views(memoryview(view * 100), 100, content)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_what_all_batches_of_a_file_unpack_to_is_limited(codec: str) -> None:
    table = pa.table({"x": np.zeros(1_500_000)})  # 12 MB, and next to nothing when it is compressed
    assert len(read_arrow(compressed(table, codec, batches=4))) == 4 * len(table)
    with pytest.raises(WireError, match="field 'x': a compressed buffer claims 12000000 bytes where at most"):
        read_arrow(compressed(table, codec, batches=6))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_bits_that_unpack_to_more_bytes_than_are_allowed_are_refused(codec: str) -> None:
    table = pa.table({"x": np.zeros(40_000_000, np.bool_)})  # 5 MB of bits
    assert len(read_arrow(compressed(table, codec))) == len(table)
    with pytest.raises(WireError, match="field 'x': a compressed buffer claims 40000000 bytes where at most"):
        read_arrow(compressed(table, codec, batches=2))


@pytest.mark.parametrize(("codec", "package"), [("lz4", "lz4"), ("zstd", "zstandard")])
def test_without_its_package_a_compressed_file_is_refused_by_name(
    codec: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = compressed(pa.table({"x": [1, 2]}), codec)
    for name in ("lz4.frame", "zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(WireError, match=f"compressed with {codec.upper()}.*the package {package};"):
        read_arrow(file)
