"""Frames as JSON: in answers to browsers, in live streams, and where a host asks for JSON instead of Arrow.

    {"schema": {"name": "cpu", "refId": "A", "meta": {"typeVersion": [0, 1]}, "fields": [
        {"name": "value", "type": "number", "typeInfo": {"frame": "float64", "nullable": true},
         "labels": {"host": "a"}, "config": {"unit": "percent"}}]},
     "data": {"values": [[0.5, null, null]], "entities": [{"NaN": [1]}], "nanos": [null]}}

`schema` stands before `data`, because readers depend on it.

Source: grafana-plugin-sdk-go, data/frame_json.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec

from graftage.data.canonical_json import read_json
from graftage.data.column_json import entities_of, nanos_of, read_column, write_column
from graftage.data.field_config import read_config, written_config
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_meta import read_meta, written_meta
from graftage.data.go_json import write_ordered
from graftage.data.go_struct import flag, items, mapping, text
from graftage.data.number_text import write_integers
from graftage.data.text_json import write_name
from graftage.errors import WireError

# What a browser's types are taken for when they stand alone, as in JSON written by hand.
_INFERRED_TYPES: Final[Mapping[object, FieldType]] = {
    "time": FieldType.TIME,
    "number": FieldType.FLOAT64,
    "string": FieldType.STRING,
    "boolean": FieldType.BOOL,
}


def write_frame_json(frame: Frame, *, schema: bool = True, data: bool = True) -> Iterator[bytes]:
    """The JSON of a frame as chunks of its text, byte for byte as the Go SDK writes it.

    schema, data: which parts to write; a live stream sends the schema only when it changes.
    """
    yield b"{"
    if schema:
        yield b'"schema":' + _write_schema(frame)
    if schema and data:
        yield b","
    if data:
        yield from _write_data(frame)
    yield b"}"


def read_frame_json(json: bytes | str) -> Frame:
    """The frame that a JSON text holds; one without data has no rows.

    Raises WireError naming the place for anything that is no frame.
    """
    try:
        parts = msgspec.json.decode(json, type=dict[str, msgspec.Raw])
        if strange := parts.keys() - {"schema", "data"}:
            raise ValueError(f"unknown key {min(strange)!r}; expected schema and data")  # noqa: TRY301
        if next(iter(parts), None) != "schema":
            raise ValueError("there is no schema in front; readers need it before the data")  # noqa: TRY301
        return _read_frame(mapping(read_json(bytes(parts["schema"])), "schema"), parts.get("data"))
    except (ValueError, RecursionError) as error:  # msgspec's errors are the former, too
        raise WireError(f"bad JSON of a data frame: {error}") from error


def _write_schema(frame: Frame) -> bytes:
    parts = [
        f'"{key}":{write_name(name)}' for key, name in (("name", frame.name), ("refId", frame.ref_id)) if name
    ]
    if frame.meta is not None:
        parts.append(f'"meta":{write_ordered(written_meta(frame.meta)).decode()}')
    parts.append(f'"fields":[{",".join(map(_write_field, frame.fields))}]')
    return f"{{{','.join(parts)}}}".encode()


def _write_field(field: Field) -> str:
    parts = [f'"name":{write_name(field.name)}'] if field.name else []
    parts.append(f'"type":"{field.type.browser_type}"')
    nullable = ',"nullable":true' if field.nullable else ""
    parts.append(f'"typeInfo":{{"frame":"{field.type}"{nullable}}}')
    if field.labels is not None:
        labels = ",".join(
            f"{write_name(key)}:{write_name(field.labels[key])}" for key in sorted(field.labels)
        )
        parts.append(f'"labels":{{{labels}}}')
    if field.config is not None:
        parts.append(f'"config":{write_ordered(written_config(field.config)).decode()}')
    return f"{{{','.join(parts)}}}"


def _write_data(frame: Frame) -> Iterator[bytes]:
    yield b'"data":{"values":['
    for index, field in enumerate(frame.fields):
        if index:
            yield b","
        yield from write_column(field)
    yield b"]"
    entities = [entities_of(field) for field in frame.fields]
    if any(entities):
        yield b',"entities":' + msgspec.json.encode(entities)
    nanos = [nanos_of(field) for field in frame.fields]
    if any(rest is not None for rest in nanos):
        yield (
            b',"nanos":['
            + b",".join(b"null" if rest is None else write_integers(rest) for rest in nanos)
            + b"]"
        )
    yield b"}"


_Row = Annotated[int, msgspec.Meta(ge=0)]
# Go rounds times down, so that these count up; some of its versions round toward 1970 instead.
_Nanos = Annotated[int, msgspec.Meta(gt=-1_000_000, lt=1_000_000)]


class _Data(msgspec.Struct, frozen=True):
    """What stands under `data`, in any order."""

    values: tuple[msgspec.Raw, ...] = ()
    entities: tuple[dict[str, tuple[_Row, ...]] | None, ...] | None = None
    nanos: tuple[tuple[_Nanos, ...] | None, ...] | None = None


def _read_frame(schema: Mapping[str, Any], written: msgspec.Raw | None) -> Frame:
    data = _Data() if written is None else msgspec.json.decode(written, type=_Data)
    fields = items(schema.get("fields"), "schema.fields")
    columns = data.values or (msgspec.Raw(b"[]"),) * len(fields)
    entities = data.entities or (None,) * len(fields)
    nanos = data.nanos or (None,) * len(fields)
    for name, given in (("values", columns), ("entities", entities), ("nanos", nanos)):
        if len(given) != len(fields):
            raise ValueError(f"data.{name} has {len(given)} columns, but the schema has {len(fields)} fields")
    meta = schema.get("meta")
    return Frame(
        tuple(
            _read_field(
                mapping(field, f"schema.fields[{index}]"),
                index,
                columns[index],
                entities[index],
                nanos[index],
            )
            for index, field in enumerate(fields)
        ),
        text(schema.get("name"), "schema.name"),
        text(schema.get("refId"), "schema.refId"),
        None if meta is None else read_meta(meta),
    )


def _read_field(
    schema: Mapping[str, Any],
    index: int,
    column: msgspec.Raw,
    entities: Mapping[str, tuple[int, ...]] | None,
    nanos: tuple[int, ...] | None,
) -> Field:
    place = f"schema.fields[{index}]"
    kind, nullable = _read_type(schema, place)
    try:
        values, valid = read_column(kind, column, entities or {}, nanos)
    except ValueError as error:
        raise ValueError(f"data.values[{index}]: {error}") from error
    labels, config = schema.get("labels"), schema.get("config")
    return Field(
        text(schema.get("name"), f"{place}.name"),
        kind,
        values,
        valid if nullable else None,  # Go has zero values for what may not be missing
        None if labels is None else _read_labels(labels, f"{place}.labels"),
        None if config is None else _read_config(config, place),
        nullable,
    )


def _read_type(schema: Mapping[str, Any], place: str) -> tuple[FieldType, bool]:
    """A field's type, and whether its values may be missing."""
    info = schema.get("typeInfo")
    if info is None:
        return _INFERRED_TYPES.get(schema.get("type"), FieldType.JSON), True
    given = mapping(info, f"{place}.typeInfo")
    try:
        kind = FieldType(text(given.get("frame"), f"{place}.typeInfo.frame"))
    except ValueError as error:
        raise ValueError(
            f"{place}.typeInfo.frame: {error}; expected one of {', '.join(FieldType)}"
        ) from error
    return kind, flag(given.get("nullable"), f"{place}.typeInfo.nullable")


def _read_config(value: object, place: str) -> dict[str, Any]:
    try:
        return read_config(value)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error


def _read_labels(value: object, place: str) -> dict[str, str]:
    return {key: text(label, f"{place}.{key}") for key, label in mapping(value, place).items()}
