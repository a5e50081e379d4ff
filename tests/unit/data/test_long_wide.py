"""Long time series as wide ones, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_json import write_frame_json
from graftage.data.long_wide import Fill, long_to_wide, wide_to_long
from support.frames import text_array

RECORDED = dict(
    line.removesuffix(" <nil>").split(" ", 1)
    for line in (Path(__file__).parents[2] / "golden" / "frames" / "long_wide.txt")
    .read_text(encoding="utf-8")
    .splitlines()
)


def times(*seconds: int | None) -> Field:
    valid = np.array([second is not None for second in seconds], np.bool_)
    values = np.array([second or 0 for second in seconds], "datetime64[s]").astype("datetime64[ns]")
    return Field("t", FieldType.TIME, values, None if valid.all() else valid)


def numbers(name: str, *values: float, labels: dict[str, str] | None = None, nullable: bool = False) -> Field:
    return Field(name, FieldType.FLOAT64, np.array(values, np.float64), None, labels, None, nullable)


def texts(name: str, *values: str | None) -> Field:
    valid = np.array([value is not None for value in values], np.bool_)
    return Field(
        name, FieldType.STRING, text_array([value or "" for value in values]), None if valid.all() else valid
    )


def long_frame() -> Frame:
    """The frame of tests/golden/frames/long_wide_probe.go.txt."""
    return Frame(
        (
            texts("host", "b", "a", None, "a"),
            times(1, 1, 2, 3),
            Field("up", FieldType.BOOL, np.array([True, True, False, True])),
            Field("z", FieldType.INT64, np.array([1, 2, 3, 4])),
            numbers("cpu", 0.1, 0.2, 0.3, 0.4),
        ),
        "f",
    )


def text_of(frame: Frame) -> str:
    return b"".join(write_frame_json(frame)).decode()


@pytest.mark.parametrize(
    ("recorded", "fill"), [("nofill", "none"), ("prev", "previous"), ("null", "null"), ("value", 7)]
)
def test_a_long_frame_becomes_the_wide_one_that_the_go_sdk_makes(recorded: str, fill: Fill) -> None:
    assert text_of(long_to_wide(long_frame(), fill)) == RECORDED[recorded]


def test_cells_of_which_the_long_frame_says_nothing_are_missing_unless_told_otherwise() -> None:
    assert text_of(long_to_wide(long_frame())) == RECORDED["null"]


def test_a_wide_frame_becomes_the_long_one_that_the_go_sdk_makes() -> None:
    assert text_of(wide_to_long(long_to_wide(long_frame()))) == RECORDED["back"]


def test_sets_of_labels_with_different_keys_and_values_are_filled_up() -> None:
    wide = Frame((times(2, 1), numbers("v", 1, 2, labels={"a": "1"}), numbers("w", 3, 4, labels={"b": "2"})))
    assert text_of(wide_to_long(wide)) == RECORDED["ragged"]


def test_of_two_rows_of_one_time_and_combination_the_last_one_counts() -> None:
    frame = Frame((times(1, 1), texts("h", "a", "a"), numbers("v", 1, 2)))
    assert text_of(long_to_wide(frame, "none")) == RECORDED["dup"]


def test_a_missing_value_is_carried_on_like_any_other() -> None:
    values = Field("v", FieldType.INT32, np.array([5, 0, 7], np.int32), np.array([True, False, True]))
    frame = Frame((times(1, 2, 4), texts("h", "a", "a", "b"), values))
    _, a, b = long_to_wide(frame, "previous").fields
    assert (a.present().tolist(), b.present().tolist()) == ([True, False, False], [False, False, True])
    _, a, _ = long_to_wide(frame, 9).fields
    assert (a.values.tolist(), a.present().tolist()) == ([5, 0, 9], [True, False, True])


@pytest.mark.parametrize("nullable", [False, True])
def test_only_numbers_are_filled_with_a_number(nullable: bool) -> None:
    values = Field("v", FieldType.JSON, text_array(["{}", "{}"]), None, None, None, nullable)
    _, a, _ = long_to_wide(Frame((times(1, 2), texts("h", "a", "b"), values)), 7).fields
    assert (a.values.tolist(), a.present().tolist()) == (["{}", "null"], [True, not nullable])


def test_what_a_frame_says_of_itself_is_kept_but_for_its_type() -> None:
    frame = Frame(
        (times(1), texts("h", "a"), numbers("v", 1)),
        "f",
        "A",
        {"type": "timeseries-long", "channel": "x/y/z"},
    )
    wide = long_to_wide(frame)
    assert (wide.name, wide.ref_id) == ("f", "")
    assert wide.meta == {"type": "timeseries-wide", "typeVersion": [0, 1], "channel": "x/y/z"}
    assert wide_to_long(wide).meta == {**wide.meta, "type": "timeseries-long"}


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (Frame((times(1), numbers("v", 1))), "it is wide"),
        (Frame((times(1), texts("h", "a"))), "it is not"),
        (Frame((times(), texts("h"), numbers("v"))), "no rows"),
        (Frame((times(2, 1), texts("h", "a", "a"), numbers("v", 1, 2))), "do not ascend"),
        (Frame((times(None), texts("h", "a"), numbers("v", 1))), "'t' .* missing times"),
        (Frame((times(1), texts("h", "a"), texts("h", "b"), numbers("v", 1))), "names that differ"),
    ],
)
def test_what_cannot_become_wide_is_refused(frame: Frame, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        long_to_wide(frame)


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (long_frame(), "it is long"),
        (Frame((times(), numbers("v"))), "no rows"),
        (Frame((times(None), numbers("v", 1))), "missing times"),
        (
            Frame((times(1), numbers("v", 1, labels={"a": "1"}), numbers("v", 1, nullable=True))),
            "two fields are named 'v', of type float64 and float64, nullable",
        ),
    ],
)
def test_what_cannot_become_long_is_refused(frame: Frame, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        wide_to_long(frame)


@pytest.mark.parametrize("fill", [float("nan"), 128])
def test_a_number_that_the_type_cannot_hold_fills_nothing(fill: float) -> None:
    values = Field("v", FieldType.INT8, np.array([1], np.int8))
    with pytest.raises(ValueError, match="cannot fill field 'v' of type int8"):
        long_to_wide(Frame((times(1), texts("h", "a"), values)), fill)
