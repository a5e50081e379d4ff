"""Recorded Arrow files: what the Go SDK made of each, and what we make of it.

There is no file that it refuses and we read: a host that is more lenient shows a plugin's author frames that
every Grafana rejects.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.writer import write_arrow
from graftage.data.field_config import written_config
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_meta import written_meta
from graftage.data.go_json import write_ordered
from graftage.errors import WireError
from support.frames import seen
from support.golden.areas import recordings


def recorded(line: str) -> dict[str, Any]:
    """A line of verdicts; JSON has a negative zero, which Python takes for an integer."""
    case: dict[str, Any] = json.loads(line, parse_int=lambda text: -0.0 if text == "-0" else int(text))
    return case


FOLDER = recordings() / "frames"
VERDICTS = FOLDER / "go-sdk-2026-08.jsonl"
RECORDED = [recorded(line) for line in VERDICTS.read_text().splitlines()] if VERDICTS.exists() else []
ACCEPTED = [case for case in RECORDED if case["ok"]]
REFUSED = [case for case in RECORDED if not case["ok"]]
DATA_PLANE = sorted((FOLDER / "dataplane").glob("*.arrow"))

_ENTITIES = {"NaN": np.nan, "Inf": np.inf, "NegInf": -np.inf}


def content(case: dict[str, Any]) -> bytes:
    return (FOLDER / "arrow" / case["file"]).read_bytes()


def name_of(case: dict[str, Any]) -> str:
    return str(case["file"])


def in_order(text: bytes) -> Any:
    """JSON in which the order of keys counts."""
    return json.loads(text, object_pairs_hook=lambda pairs: pairs)


def recorded_values(frame: dict[str, Any], index: int) -> list[Any]:
    """A recorded column, with times in nanoseconds and the floats that JSON cannot hold."""
    data = frame["data"]
    values = list(data["values"][index])
    for name, rows in ((data.get("entities") or {index: None})[index] or {}).items():
        for row in rows:
            values[row] = _ENTITIES[name]
    if frame["schema"]["fields"][index]["type"] == "time":
        nanos = (data.get("nanos") or {index: None})[index] or [0] * len(values)
        return [
            None if value is None else value * 1_000_000 + rest
            for value, rest in zip(values, nanos, strict=True)
        ]
    return values


def our_values(field: Field) -> list[Any]:
    values = field.values.view(np.int64) if field.type is FieldType.TIME else field.values
    plain = [value if valid else None for value, valid in zip(values.tolist(), field.present(), strict=True)]
    return (
        [None if value is None else _parsed(value) for value in plain]
        if field.type is FieldType.JSON
        else plain
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None  # so Grafana writes it, too


@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_a_file_that_grafana_reads_is_the_same_frame_here(case: dict[str, Any]) -> None:
    frame, expected_frame = read_arrow(content(case)), case["frame"]
    schema = expected_frame["schema"]
    assert (frame.name, frame.ref_id) == (schema.get("name", ""), schema.get("refId", ""))
    assert (frame.meta is None) == ("meta" not in schema)
    assert len(frame.fields) == len(schema["fields"])
    for index, (field, expected) in enumerate(zip(frame.fields, schema["fields"], strict=True)):
        assert field.name == expected.get("name", "")
        assert (field.type, field.type.browser_type) == (expected["typeInfo"]["frame"], expected["type"])
        assert field.nullable == expected["typeInfo"].get("nullable", False)
        assert field.labels == expected.get("labels")
        wanted = recorded_values(expected_frame, index)
        if field.type is FieldType.FLOAT32:
            wanted = [None if value is None else float(np.float32(value)) for value in wanted]
        np.testing.assert_equal(our_values(field), wanted)


@pytest.mark.parametrize("line", [case["file"] for case in ACCEPTED])
def test_metadata_is_written_as_grafana_writes_what_it_read(line: str) -> None:
    line_of_file = next(text for text in VERDICTS.read_bytes().splitlines() if f'"{line}"'.encode() in text)
    expected = dict(dict(dict(in_order(line_of_file))["frame"])["schema"])
    frame = read_arrow((FOLDER / "arrow" / line).read_bytes())
    if frame.meta is not None:
        assert in_order(write_ordered(written_meta(frame.meta))) == expected["meta"]
    for field, pairs in zip(frame.fields, expected["fields"], strict=True):
        if field.config is not None:
            assert in_order(write_ordered(written_config(field.config))) == dict(pairs)["config"]


@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_what_was_read_is_written_and_read_again(case: dict[str, Any]) -> None:
    frame = read_arrow(content(case))
    if case["file"] in ("json_invalid.arrow", "json_nonnull_empty.arrow"):
        with pytest.raises(ValueError, match=r"field 'j' holds .* which is no JSON"):
            write_arrow(frame)
    else:
        assert seen(read_arrow(write_arrow(frame))) == seen(frame)


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_file_that_grafana_refuses_is_refused_here(case: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read_arrow(content(case))


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_no_frame_becomes_a_file_that_grafana_refuses(case: dict[str, Any]) -> None:
    file = content(case)
    if "not an Arrow file" in case["err"]:
        assert not write_arrow(Frame()).startswith(file[:6])
        return
    schema = pa.ipc.open_file(file).schema
    if "unsupported conversion" in case["err"]:
        kinds = {pa.ipc.open_file(write_arrow(one_of(kind))).schema.field(0).type for kind in FieldType}
        assert not {field.type for field in schema} <= kinds
        return
    with pytest.raises(ValueError, match=r".+"):
        author_with(schema)


def one_of(kind: FieldType) -> Frame:
    return Frame((Field("x", kind, np.zeros(0, kind.dtype)),))


def author_with(schema: pa.Schema) -> None:
    """What an author does who gives a frame the metadata of a file. Texts that are no JSON have no value."""
    for key, text in (schema.metadata or {}).items():
        if key == b"meta":
            Frame(meta=json.loads(text))
    for field in schema:
        given = {
            key.decode(): json.loads(text) for key, text in (field.metadata or {}).items() if key != b"tstype"
        }
        Field(
            "x", FieldType.INT8, np.zeros(0, np.int8), labels=given.get("labels"), config=given.get("config")
        )


@pytest.mark.parametrize("file", DATA_PLANE, ids=lambda file: file.name)
def test_typed_frames_of_other_plugins_are_read_and_written_again(file: Path) -> None:
    frame = read_arrow(file.read_bytes())
    assert seen(read_arrow(write_arrow(frame))) == seen(frame)
