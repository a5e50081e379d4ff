"""Frames as the Arrow reader of Grafana 7 takes them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.grafana_7 import for_grafana_7
from support.frames import text_array

MAPPINGS = [{"type": "value", "options": {"1": {"text": "one"}}}]


def test_json_becomes_text_with_its_labels_and_gaps() -> None:
    field = Field("j", FieldType.JSON, text_array(["{}", ""]), np.array([True, False]), {"a": "b"})
    (text,) = for_grafana_7(Frame((field,), "n", "A")).fields
    assert (text.type, text.values.tolist(), text.present().tolist()) == ("string", ["{}", ""], [True, False])
    assert (text.labels, text.nullable) == ({"a": "b"}, True)


def test_value_mappings_are_left_out_wherever_settings_stand() -> None:
    config = {"mappings": MAPPINGS, "unit": "s"}
    field = Field("x", FieldType.ENUM, np.zeros(1, np.uint16), config=config)
    frame = Frame((field,), meta={"stats": [{**config, "value": 1}], "path": "/"})
    schema = pa.ipc.open_file(write_arrow(for_grafana_7(frame))).schema
    assert json.loads(schema.field(0).metadata[b"config"]) == {"unit": "s"}
    assert json.loads(schema.metadata[b"meta"])["stats"] == [{"unit": "s", "value": 1}]
    assert (field.config, schema.field(0).type) == (config, pa.uint16())


def test_what_is_absent_stays_absent() -> None:
    frame = for_grafana_7(Frame((Field("x", FieldType.BOOL, np.ones(1, np.bool_)),)))
    assert (frame.meta, frame.fields[0].config) == (None, None)
