"""The shape of a time series, by the types of a frame's fields."""

from __future__ import annotations

import numpy as np
import pytest

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.shape import Shape, parts_of, shape_of

TYPES = {
    "time": FieldType.TIME,
    "number": FieldType.FLOAT64,
    "text": FieldType.STRING,
    "bool": FieldType.BOOL,
    "json": FieldType.JSON,
    "enum": FieldType.ENUM,
}


def frame_of(kinds: str) -> Frame:
    return Frame(tuple(Field(kind, TYPES[kind], np.zeros(0, TYPES[kind].dtype)) for kind in kinds.split()))


@pytest.mark.parametrize(
    ("kinds", "shape"),
    [
        ("", Shape.NOT),
        ("time", Shape.NOT),
        ("number", Shape.NOT),
        ("text number", Shape.NOT),
        ("time text", Shape.NOT),
        ("time bool", Shape.NOT),
        ("time number", Shape.WIDE),
        ("number time number", Shape.WIDE),
        ("time time", Shape.WIDE),
        ("time json", Shape.WIDE),
        ("time enum", Shape.WIDE),
        ("time text number", Shape.LONG),
        ("time bool number", Shape.LONG),
    ],
)
def test_texts_and_bools_are_factors_and_the_first_times_are_the_index(kinds: str, shape: Shape) -> None:
    assert shape_of(frame_of(kinds)) is shape


def test_every_field_is_in_one_part() -> None:
    parts = parts_of(frame_of("text time number bool time"))
    assert parts.time is not None
    assert [field.name for field in parts.factors] == ["text", "bool"]
    assert [field.name for field in parts.values] == ["number", "time"]
