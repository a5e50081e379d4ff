"""Arrow's types, slots and numbers, as far as frames know them.

Source: apache/arrow, format/Schema.fbs, Message.fbs and File.fbs; the field types: grafana-plugin-sdk-go,
data/arrow.go `fieldToArrow`.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from graftage.data.frame import FieldType

MAGIC: Final = b"ARROW1"
CONTINUATION: Final = b"\xff\xff\xff\xff"
ALIGNMENT: Final = 8

INT8: Final = struct.Struct("<b")
UINT8: Final = struct.Struct("<B")
INT16: Final = struct.Struct("<h")
INT32: Final = struct.Struct("<i")
INT64: Final = struct.Struct("<q")
NODE: Final = struct.Struct("<qq")  # rows, nulls
BUFFER: Final = struct.Struct("<qq")  # offset, length
BLOCK: Final = struct.Struct("<qi4xq")  # offset, length of the metadata with its prefix, length of the body

V4: Final = 3
V5: Final = 4
RECORD_BATCH: Final = 3  # of the union MessageHeader
SCHEMA: Final = 1
NANOSECOND: Final = 3


class TypeId(IntEnum):
    """The union Type."""

    NULL = 1
    INT = 2
    FLOATING_POINT = 3
    BINARY = 4
    UTF8 = 5
    BOOL = 6
    DECIMAL = 7
    DATE = 8
    TIME = 9
    TIMESTAMP = 10
    INTERVAL = 11
    LIST = 12
    STRUCT = 13
    UNION = 14
    FIXED_SIZE_BINARY = 15
    FIXED_SIZE_LIST = 16
    MAP = 17
    DURATION = 18
    LARGE_BINARY = 19
    LARGE_UTF8 = 20
    LARGE_LIST = 21
    RUN_END_ENCODED = 22
    BINARY_VIEW = 23
    UTF8_VIEW = 24
    LIST_VIEW = 25
    LARGE_LIST_VIEW = 26


class FooterSlot:
    VERSION, SCHEMA, DICTIONARIES, RECORD_BATCHES = range(4)


class SchemaSlot:
    ENDIANNESS, FIELDS, METADATA = range(3)


class FieldSlot:
    NAME, NULLABLE, TYPE_ID, TYPE, DICTIONARY, CHILDREN, METADATA = range(7)


class KeyValueSlot:
    KEY, VALUE = range(2)


class MessageSlot:
    VERSION, HEADER_TYPE, HEADER, BODY_LENGTH = range(4)


class BatchSlot:
    LENGTH, NODES, BUFFERS, COMPRESSION, VARIADIC_COUNTS = range(5)


class IntSlot:
    BITS, SIGNED = range(2)


# The numbers of FloatingPoint.precision.
PRECISIONS: Final = {FieldType.FLOAT32: 1, FieldType.FLOAT64: 2}
