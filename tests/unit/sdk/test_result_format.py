"""What a query asks its rows to be."""

from __future__ import annotations

import numpy as np
import pytest

from graftage.data.frame import Field, FieldType, Frame
from graftage.data.shape import Shape, shape_of
from graftage.sdk.errors import DownstreamError
from graftage.sdk.result_format import ResultFormat, arranged

TIMES = np.array([1, 1, 2], "datetime64[ns]")
HOSTS = np.array(["a", "b", "a"], object)
LONG = Frame(
    (
        Field("time", FieldType.TIME, TIMES),
        Field("host", FieldType.STRING, HOSTS),
        Field("cpu", FieldType.FLOAT64, np.array([0.1, 0.2, 0.3])),
    ),
    ref_id="A",
)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "TIME_SERIES"), ("", "TIME_SERIES"), (0, "TIME_SERIES"), ("timeseries ", "TIME_SERIES"),
        (1, "TABLE"), ("1", "TABLE"), ("Table", "TABLE"), (2, "LOGS"), ("logs", "LOGS"), (3, "TRACES"),
        ("traces", "TRACES"), (4, "MULTI"), ("multi", "MULTI"),
    ],
)  # fmt: skip
def test_a_format_is_a_number_or_a_text(value, name):
    assert ResultFormat.of(value) is ResultFormat[name]


@pytest.mark.parametrize("value", [5, -1, "chart", [], True, 1.5])
def test_a_format_that_is_not_known_is_told(value):
    with pytest.raises(DownstreamError, match="expected one of timeseries, table"):
        ResultFormat.of(value)


def test_long_time_series_become_wide():
    (frame,) = arranged(LONG, ResultFormat.TIME_SERIES)
    assert shape_of(frame) is Shape.WIDE
    assert [field.labels for field in frame.fields[1:]] == [{"host": "a"}, {"host": "b"}]
    assert frame.ref_id == "A"
    assert frame.fields[2].present().tolist() == [True, False]


def test_a_missing_value_can_be_filled():
    (frame,) = arranged(LONG, ResultFormat.TIME_SERIES, fill=0)
    assert frame.fields[2].values.tolist() == [0.2, 0]


def test_multi_has_a_frame_for_each_series():
    frames = arranged(LONG, ResultFormat.MULTI)
    assert [[field.name for field in frame.fields] for frame in frames] == [["time", "cpu"], ["time", "cpu"]]
    assert {(frame.meta or {})["type"] for frame in frames} == {"timeseries-multi"}


@pytest.mark.parametrize(("name", "kind"), [("TABLE", "table"), ("LOGS", "logs"), ("TRACES", "trace")])
def test_other_formats_leave_the_rows_and_say_how_to_show_them(name, kind):
    (frame,) = arranged(LONG, ResultFormat[name])
    assert frame.fields == LONG.fields
    assert (frame.meta or {})["preferredVisualisationType"] == kind


@pytest.mark.parametrize("name", ["TIME_SERIES", "MULTI"])
def test_what_is_no_time_series_stays_as_it_is(name):
    numbers = Frame((Field("n", FieldType.INT64, np.array([1])),))
    empty = Frame(tuple(Field(field.name, field.type, field.values[:0]) for field in LONG.fields))
    for frame in (numbers, empty, Frame(())):
        assert arranged(frame, ResultFormat[name]) == (frame,)
