"""What a schema in an Arrow file says: the frame's names and metadata, and what each column holds.

Source: grafana-plugin-sdk-go, data/arrow.go `populateFrameFromSchema` and `initializeFrameFields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from graftage.data.arrow import layout
from graftage.data.arrow.flatbuffer import Table
from graftage.data.arrow.layout import FieldSlot, IntSlot, KeyValueSlot, SchemaSlot, TypeId
from graftage.data.canonical_json import read_json
from graftage.data.field_config import read_config
from graftage.data.frame import FieldType
from graftage.data.frame_meta import read_meta
from graftage.data.labels import read_labels
from graftage.errors import WireError

# Characters of JSON under one key. The Go SDK has no limit, and needs none: it reads into structs. Here, each
# `{}` becomes a dictionary with all the keys of its kind, so that a list of them, of 20 MB, took two minutes
# and a gigabyte. What real frames say about themselves are kilobytes.
MOST_METADATA: Final = 1024 * 1024

T = TypeVar("T")


class Storage(Enum):
    """How the values of a column lie in the buffers behind its bitmap of validity."""

    FIXED = "numbers of one size"
    BITS = "one bit each"
    TEXT = "offsets and bytes"
    VIEWS = "views into one or more buffers"


@dataclass(frozen=True, slots=True)
class Column:
    """A field without its values."""

    name: str
    type: FieldType
    storage: Storage
    nullable: bool
    labels: Mapping[str, str] | None
    config: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Schema:
    name: str
    ref_id: str
    meta: Mapping[str, Any] | None
    columns: tuple[Column, ...]


# Types whose table says nothing that a frame needs. A timestamp's unit and zone are not looked at either:
# Grafana takes every timestamp for nanoseconds in UTC.
_PLAIN: Final = {
    TypeId.UTF8: (FieldType.STRING, Storage.TEXT),
    TypeId.UTF8_VIEW: (FieldType.STRING, Storage.VIEWS),
    TypeId.BINARY: (FieldType.JSON, Storage.TEXT),
    TypeId.BOOL: (FieldType.BOOL, Storage.BITS),
    TypeId.TIMESTAMP: (FieldType.TIME, Storage.FIXED),
}
_FLOATS: Final = {number: kind for kind, number in layout.PRECISIONS.items()}
_BIT_WIDTHS: Final = (8, 16, 32, 64)
_NAMES: Final = {kind.value: kind.name for kind in TypeId}


def read_schema(table: Table) -> Schema:
    """Raises WireError naming the field whose type or metadata Grafana does not understand."""
    if table.integer(SchemaSlot.ENDIANNESS, layout.INT16):
        raise WireError("the Arrow file has its bytes in big-endian order; write it in little-endian order")
    metadata = _metadata(table, SchemaSlot.METADATA)
    meta = _parsed(metadata, "meta", read_meta, "the frame")
    columns = tuple(_read_column(field) for field in table.tables(SchemaSlot.FIELDS))
    return Schema(metadata.get("name", ""), metadata.get("refId", ""), meta, columns)


def _read_column(table: Table) -> Column:
    name = table.text(FieldSlot.NAME)
    metadata = _metadata(table, FieldSlot.METADATA)
    kind, storage = _type(name, table)
    if kind is FieldType.UINT16 and metadata.get("tstype") == FieldType.ENUM:
        kind = FieldType.ENUM
    labels = _parsed(metadata, "labels", read_labels, f"field {name!r}")
    config = _parsed(metadata, "config", read_config, f"field {name!r}")
    nullable = bool(table.integer(FieldSlot.NULLABLE, layout.UINT8))
    return Column(name, kind, storage, nullable, labels, config)


def _type(name: str, field: Table) -> tuple[FieldType, Storage]:
    """Raises WireError for types that frames do not have."""
    number = field.integer(FieldSlot.TYPE_ID, layout.UINT8)
    details = field.table(FieldSlot.TYPE)
    if field.table(FieldSlot.DICTIONARY) is not None:
        raise _unsupported(name, "a dictionary")
    match number:
        case _ if number in _PLAIN:
            return _PLAIN[TypeId(number)]
        case TypeId.INT if details is not None:
            bits = details.integer(IntSlot.BITS, layout.INT32)
            signed = details.integer(IntSlot.SIGNED, layout.UINT8)
            if bits in _BIT_WIDTHS:
                return FieldType(f"{'' if signed else 'u'}int{bits}"), Storage.FIXED
            raise _unsupported(name, f"an integer of {bits} bits")
        case TypeId.FLOATING_POINT if details is not None:
            precision = details.integer(0, layout.INT16)
            if precision in _FLOATS:
                return _FLOATS[precision], Storage.FIXED
            raise _unsupported(name, "a float of 16 bits")
        case _:
            raise _unsupported(name, _NAMES.get(number, f"number {number}"))


def _unsupported(name: str, kind: str) -> WireError:
    return WireError(
        f"field {name!r} has the Arrow type {kind}, which Grafana's frames do not have; expected integers, "
        "floats, bool, Utf8, Timestamp or Binary holding JSON"
    )


def _parsed(metadata: Mapping[str, str], key: str, read: Callable[[object], T], owner: str) -> T | None:
    """What stands under a key as JSON; None if there is no such key."""
    if key not in metadata:
        return None
    if len(metadata[key]) > MOST_METADATA:
        raise WireError(
            f"{owner}: its metadata `{key}` has {len(metadata[key]):,} characters; expected at most "
            f"{MOST_METADATA:,}. What is larger belongs in a field"
        )
    try:
        return read(read_json(metadata[key]))
    except ValueError as error:
        raise WireError(f"{owner}: its metadata `{key}` cannot be read: {error}") from error


def _metadata(table: Table, slot: int) -> dict[str, str]:
    """Of a key that repeats, the first value counts."""
    pairs: dict[str, str] = {}
    for pair in table.tables(slot):
        pairs.setdefault(pair.text(KeyValueSlot.KEY), pair.text(KeyValueSlot.VALUE))
    return pairs
