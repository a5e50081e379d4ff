"""Frames as Arrow files, in the one dialect that every Grafana reads: one batch, no compression.

    ARROW1, schema, record batch, end of stream, footer, length of the footer, ARROW1

Source: apache/arrow, format/*.fbs and "Arrow Columnar Format"; grafana-plugin-sdk-go, data/arrow.go
`MarshalArrow`, for what stands in the metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from graftage.data.arrow.flatbuffer_writing import (
    Node,
    Scalar,
    Structs,
    TableNode,
    Written,
    write_flatbuffer,
    written_once,
)
from graftage.data.arrow.layout import (
    ALIGNMENT,
    BLOCK,
    BUFFER,
    CONTINUATION,
    INT32,
    MAGIC,
    NANOSECOND,
    NODE,
    PRECISIONS,
    RECORD_BATCH,
    SCHEMA,
    V5,
    BatchSlot,
    FieldSlot,
    FooterSlot,
    IntSlot,
    KeyValueSlot,
    MessageSlot,
    SchemaSlot,
    TypeId,
)
from graftage.data.arrow.texts import bytes_of_texts
from graftage.data.canonical_json import write_json
from graftage.data.field_config import written_config
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_meta import written_meta
from graftage.data.go_json import write_ordered
from graftage.data.json_text import json_complaint

_START: Final = MAGIC.ljust(ALIGNMENT, b"\0")
_END_OF_STREAM: Final = CONTINUATION + INT32.pack(0)
_MAX_TEXT: Final = 2**31 - 1  # offsets have 32 bits


def write_arrow(frame: Frame) -> bytes:
    """The frame as one Arrow file.

    Raises ValueError naming the field with values that readers would refuse or misread: a time that is NaT,
    JSON that is none, 2 GiB of text.
    """
    schema = written_once(_schema(frame))
    body = _Body()
    for field in frame.fields:
        _add_field(body, field)
    schema_message = _message(SCHEMA, schema, 0)
    batch_message = _message(RECORD_BATCH, _batch(frame, body), body.size)
    block = BLOCK.pack(len(_START) + len(schema_message), len(batch_message), body.size)
    footer = write_flatbuffer(
        TableNode(
            {
                FooterSlot.VERSION: Scalar("<h", V5),
                FooterSlot.SCHEMA: schema,
                FooterSlot.RECORD_BATCHES: Structs(1, block),
            }
        )
    )
    parts = (_START, schema_message, batch_message, *body.parts)
    return b"".join((*parts, _END_OF_STREAM, footer, INT32.pack(len(footer)), MAGIC))


def _message(kind: int, header: TableNode | Written, body_size: int) -> bytes:
    """A message up to its body, which begins at a multiple of 8 bytes."""
    content = write_flatbuffer(
        TableNode(
            {
                MessageSlot.VERSION: Scalar("<h", V5),
                MessageSlot.HEADER_TYPE: Scalar("<B", kind),
                MessageSlot.HEADER: header,
                MessageSlot.BODY_LENGTH: Scalar("<q", body_size),
            }
        )
    )
    return CONTINUATION + INT32.pack(len(content)) + content


def _schema(frame: Frame) -> TableNode:
    metadata = {"name": frame.name, "refId": frame.ref_id}
    if frame.meta is not None:
        metadata["meta"] = write_ordered(written_meta(frame.meta)).decode()
    return TableNode(
        {
            SchemaSlot.FIELDS: [_field(field) for field in frame.fields],
            SchemaSlot.METADATA: _key_values(metadata),
        }
    )


def _field(field: Field) -> TableNode:
    metadata = {"tstype": field.type.browser_type}
    if field.labels is not None:
        metadata["labels"] = write_json(dict(field.labels))
    if field.config is not None:
        metadata["config"] = write_ordered(written_config(field.config)).decode()
    kind, details = _type(field.type)
    return TableNode(
        {
            FieldSlot.NAME: field.name,
            FieldSlot.NULLABLE: Scalar("<B", bool(field.nullable)),
            FieldSlot.TYPE_ID: Scalar("<B", kind),
            FieldSlot.TYPE: TableNode(details),
            FieldSlot.CHILDREN: [],
            FieldSlot.METADATA: _key_values(metadata),
        }
    )


def _type(kind: FieldType) -> tuple[TypeId, Mapping[int, Scalar | Node]]:
    match kind:
        case FieldType.STRING:
            return TypeId.UTF8, {}
        case FieldType.JSON:
            return TypeId.BINARY, {}
        case FieldType.BOOL:
            return TypeId.BOOL, {}
        case FieldType.TIME:
            return TypeId.TIMESTAMP, {0: Scalar("<h", NANOSECOND)}
        case FieldType.FLOAT32 | FieldType.FLOAT64:
            return TypeId.FLOATING_POINT, {0: Scalar("<h", PRECISIONS[kind])}
        case _:
            bits = Scalar("<i", 8 * kind.dtype.itemsize)
            return TypeId.INT, {IntSlot.BITS: bits, IntSlot.SIGNED: Scalar("<B", kind.dtype.kind == "i")}


def _key_values(pairs: Mapping[str, str]) -> list[TableNode]:
    return [TableNode({KeyValueSlot.KEY: key, KeyValueSlot.VALUE: pairs[key]}) for key in sorted(pairs)]


class _Body:
    """The buffers of a batch, each padded to 8 bytes, and where they lie. They are joined only once."""

    def __init__(self) -> None:
        self.parts: list[memoryview | bytes] = []
        self.places: list[bytes] = []
        self.nodes: list[bytes] = []
        self.size = 0

    def add(self, content: memoryview | bytes) -> None:
        padding = -len(content) % ALIGNMENT
        self.places.append(BUFFER.pack(self.size, len(content)))
        self.parts += (content, bytes(padding))
        self.size += len(content) + padding


def _batch(frame: Frame, body: _Body) -> TableNode:
    return TableNode(
        {
            BatchSlot.LENGTH: Scalar("<q", len(frame)),
            BatchSlot.NODES: Structs(len(body.nodes), b"".join(body.nodes)),
            BatchSlot.BUFFERS: Structs(len(body.places), b"".join(body.places)),
        }
    )


def _add_field(body: _Body, field: Field) -> None:
    nulls = 0 if field.valid is None else len(field) - int(np.count_nonzero(field.valid))
    body.nodes.append(NODE.pack(len(field), nulls))
    body.add(_bits(field.valid) if nulls and field.valid is not None else b"")
    match field.type:
        case FieldType.STRING | FieldType.JSON:
            offsets, content = _text(field)
            body.add(offsets)
            body.add(content)
        case FieldType.BOOL:
            body.add(_bits(field.values))
        case _:
            if field.type is FieldType.TIME:
                _refuse_no_time(field)
            body.add(_bytes(field.values))


def _text(field: Field) -> tuple[memoryview, bytes]:
    texts = field.values.tolist() if field.valid is None else np.where(field.valid, field.values, "").tolist()
    if field.type is FieldType.JSON:
        _refuse_no_json(field)
    try:
        offsets, content = bytes_of_texts(texts, _MAX_TEXT)
    except OverflowError as error:
        raise ValueError(
            f"field {field.name!r} holds {error} bytes of text; a frame's column holds at most {_MAX_TEXT}. "
            "Answer with fewer rows"
        ) from error
    return _bytes(offsets), content


def _refuse_no_time(field: Field) -> None:
    """What is no time would be read as one of the year 1677."""
    strange = np.isnat(field.values)
    if field.valid is not None:
        strange &= field.valid
    if strange.any():
        raise ValueError(
            f"field {field.name!r} holds NaT in row {strange.argmax()}; expected times from 1677-09-21 to "
            "2262-04-11, and `valid` to tell which are missing"
        )


def _refuse_no_json(field: Field) -> None:
    """What is no JSON would silently become null."""
    for row in np.flatnonzero(field.present()).tolist():
        text = field.values[row]
        if (broken := json_complaint(text)) is not None:
            raise ValueError(
                f"field {field.name!r} holds {text[:40]!r} in row {row}, which is no JSON: {broken}"
            )


def _bits(flags: Any) -> memoryview:
    return _bytes(np.packbits(flags, bitorder="little"))


def _bytes(values: Any) -> memoryview:
    """The bytes of an array, where they lie if possible."""
    return np.ascontiguousarray(values).view(np.uint8).data
