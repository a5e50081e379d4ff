"""What a frame checks when it is built."""

from __future__ import annotations

import numpy as np
import pytest

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.series import Series

NUMBERS = np.array([1.0, 2.0])


@pytest.mark.parametrize("kind", FieldType)
def test_every_type_has_a_layout(kind: FieldType) -> None:
    values = np.full(2, "{}", object) if kind.dtype == object else np.zeros(2, kind.dtype)
    field = Field("x", kind, values)
    assert (len(field), field.present().tolist()) == (2, [True, True])
    assert kind.is_number == (kind.value.rstrip("123468") in ("int", "uint", "float"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((FieldType.INT64, NUMBERS), "'cpu' of type int64 has an array of float64"),
        ((FieldType.FLOAT64, [1.0]), "has a list as values"),
        ((FieldType.FLOAT64, NUMBERS.reshape(1, 2)), r"of shape \(1, 2\)"),
        ((FieldType.FLOAT64, NUMBERS, np.array([True])), "'cpu' has 2 values and an array of bool"),
        ((FieldType.STRING, np.array(["a", None], object)), "'cpu' of type string holds NoneType"),
        ((FieldType.FLOAT64, NUMBERS, None, {"host": 1}), "'cpu' has the labels {'host': 1}"),
    ],
)
def test_a_field_that_is_none_says_what_is_wrong(arguments: tuple[object, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Field("cpu", *arguments)  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize(
    ("valid", "nullable", "becomes"),
    [
        (None, None, False),
        ([True, True], None, True),
        ([True, False], None, True),
        (None, True, True),
        (None, False, False),
        ([True, True], False, False),
    ],
)
def test_a_field_is_nullable_as_declared_or_else_as_its_values_are(
    valid: list[bool] | None, nullable: bool | None, becomes: bool
) -> None:
    mask = None if valid is None else np.array(valid)
    field = Field("cpu", FieldType.FLOAT64, NUMBERS, mask, nullable=nullable)
    assert field.nullable is becomes
    assert becomes or field.valid is None


def test_missing_values_of_a_field_that_is_not_nullable_are_refused_by_name_and_row() -> None:
    with pytest.raises(ValueError, match="'cpu' is declared not nullable, but its row 1 is missing"):
        Field("cpu", FieldType.FLOAT64, NUMBERS, np.array([True, False]), nullable=False)


@pytest.mark.parametrize(
    ("kind", "name"), [("enum", "enum"), ("json.RawMessage", "other"), ("uint8", "number")]
)
def test_browsers_have_names_of_their_own_for_types(kind: str, name: str) -> None:
    assert FieldType(kind).browser_type == name


def test_fields_of_different_lengths_are_refused_by_name() -> None:
    long, short = Field("a", FieldType.FLOAT64, NUMBERS), Field("b", FieldType.FLOAT64, NUMBERS[:1])
    with pytest.raises(
        ValueError, match="frame 'load' mixes lengths: field 'a' has 2 values, field 'b' has 1"
    ):
        Frame((long, short), "load")


def test_no_fields_and_no_rows_are_both_frames() -> None:
    assert len(Frame()) == 0
    assert len(Frame((Field("a", FieldType.FLOAT64, NUMBERS[:0]),))) == 0


def test_a_series_wants_times_and_values_of_one_length_and_their_types() -> None:
    with pytest.raises(ValueError, match="'cpu' has times of shape"):
        Series("cpu", np.zeros(1, np.int64), NUMBERS)
    with pytest.raises(ValueError, match="expected int64 and float64"):
        Series("cpu", NUMBERS, NUMBERS)  # type: ignore[arg-type] # on purpose
