"""Frames as series and tables, and back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from graftage.data.columns import field_from_values
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.intake import frame_from
from graftage.data.legacy import frame_to_legacy, series_to_frame
from graftage.data.series import Series

TIMES = [datetime(1970, 1, 1, 0, 0, second, 500_999, tzinfo=UTC) for second in (1, 2, 3)]
BEFORE_1970 = np.array([-1], "datetime64[ns]")


def points(series: Series) -> list[tuple[int, float]]:
    return list(zip(series.times.tolist(), series.values.tolist(), strict=True))


def test_a_wide_frame_is_a_series_for_each_value_field() -> None:
    frame = frame_from({"time": TIMES, "cpu": [1, None, 3], "load": [0.5, float("nan"), 1.5]})
    (cpu, load), tables = frame_to_legacy(frame)
    assert not tables
    assert (cpu.name, points(cpu)) == ("cpu", [(1500, 1.0), (3500, 3.0)])
    assert load.name == "load"
    assert np.isnan(load.values[1]), "NaN is a gap that is sent"


@pytest.mark.parametrize(
    ("labels", "config", "name"),
    [
        (None, None, "cpu"),
        ({}, None, "cpu"),
        ({"host": "a", "dc": "x"}, None, "cpu {dc=x, host=a}"),
        ({"host": "a"}, {"displayNameFromDS": "from ds"}, "from ds"),
        ({"host": "a"}, {"displayName": "shown", "displayNameFromDS": "from ds"}, "shown"),
    ],
)
def test_a_series_is_named_as_classic_alerting_names_it(
    labels: dict[str, str] | None, config: dict[str, object] | None, name: str
) -> None:
    cpu = Field("cpu", FieldType.FLOAT64, np.zeros(3), labels=labels, config=config)
    (series,), _ = frame_to_legacy(Frame((field_from_values("time", TIMES), cpu)))
    assert (series.name, series.labels) == (name, labels or {})


def test_a_point_without_a_time_is_left_out_and_times_round_down() -> None:
    (series,), _ = frame_to_legacy(frame_from({"t": [None, *TIMES[:1]], "cpu": [1.5, 2.5]}))
    assert points(series) == [(1500, 2.5)]
    (series,), _ = frame_to_legacy(frame_from({"t": BEFORE_1970, "cpu": [1]}))
    assert points(series) == [(-1, 1.0)]


def test_no_rows_are_series_without_points_and_no_fields_are_nothing() -> None:
    (series,), _ = frame_to_legacy(frame_from({"t": np.zeros(0, "datetime64[s]"), "cpu": np.zeros(0)}))
    assert (series.name, len(series)) == ("cpu", 0)
    assert frame_to_legacy(Frame()) == ((), ())


def test_a_typed_time_series_may_have_texts_beside_its_values() -> None:
    frame = frame_from({"time": TIMES, "up": [True, False, True], "note": ["a", "b", "c"]})
    typed = Frame(frame.fields, meta={"type": "timeseries-multi"})
    (series,), tables = frame_to_legacy(typed)
    assert not tables
    assert (series.name, series.values.tolist()) == ("up", [1, 0, 1])
    assert frame_to_legacy(frame)[1], "without the type it is a table"


def test_everything_else_is_a_table() -> None:
    frame = frame_from(
        {
            "when": [TIMES[0], None],
            "host": ["a", None],
            "up": [True, False],
            "n": np.array([1, 2], np.int8),
            "f": [0.5, float("nan")],
            "big": [2**63, 1],
        }
    )
    series, (table,) = frame_to_legacy(frame)
    assert not series
    assert table.columns == ("time", "host", "up", "n", "f", "big")
    first, second = table.rows()
    assert first == (1500, "a", True, 1, 0.5, 2.0**63)
    assert second == (None, None, False, 2, None, 1.0), "NaN in a table is more than old servers can write"


def test_infinities_are_gaps_in_a_series() -> None:
    (series,), _ = frame_to_legacy(frame_from({"time": TIMES, "cpu": [1, float("inf"), -np.inf]}))
    assert points(series)[0] == (1500, 1.0)
    assert np.isnan(series.values[1:]).all()


def test_json_and_enums_are_texts() -> None:
    config = {"type": {"enum": {"text": ["off", "on"]}}}
    fields = (
        Field("json", FieldType.JSON, np.array(['{"a":1}', "2", "3"], object)),
        Field("state", FieldType.ENUM, np.array([1, 0, 3], np.uint16), config=config),
        Field("code", FieldType.ENUM, np.array([1, 0, 3], np.uint16)),
    )
    _, (table,) = frame_to_legacy(Frame(fields))
    assert list(table.rows()) == [('{"a":1}', "on", "1"), ("2", "off", "0"), ("3", "3", "3")]
    _, (table,) = frame_to_legacy(Frame((Field("code", FieldType.ENUM, np.zeros(0, np.uint16)),)))
    assert len(table) == 0


def test_a_long_time_series_is_a_table_unless_its_type_says_what_it_is() -> None:
    columns = {
        "cpu": [0.2, 0.1, 0.3, 0.4],
        "time": [TIMES[1], TIMES[0], TIMES[0], None],
        "host": ["a", "a", "b", "c"],
    }
    frame = frame_from(columns)
    assert frame_to_legacy(frame)[1]
    series, tables = frame_to_legacy(Frame(frame.fields, meta={"type": "timeseries-long"}))
    assert not tables
    assert [(one.name, points(one)) for one in series] == [
        ("cpu {host=a}", [(1500, 0.1), (2500, 0.2)]),
        ("cpu {host=b}", [(1500, 0.3)]),
    ]
    empty = Frame(tuple(Field(field.name, field.type, field.values[:0]) for field in frame.fields))
    assert frame_to_legacy(Frame(empty.fields, meta={"type": "timeseries-long"})) == ((), ())


def test_a_column_of_times_keeps_a_name_that_says_so() -> None:
    _, (table,) = frame_to_legacy(frame_from({"start": TIMES, "Date": TIMES, "host": ["a", "b", "c"]}))
    assert table.columns == ("start", "Date", "host")


def test_a_series_is_a_frame_and_comes_back() -> None:
    series = Series("cpu", np.array([-1, 1500]), np.array([1.0, np.nan]), {"host": "a"})
    frame = series_to_frame(series, ref_id="B")
    assert (frame.name, frame.ref_id, [field.name for field in frame.fields]) == (
        "cpu",
        "B",
        ["time", "value"],
    )
    (back,), _ = frame_to_legacy(frame)
    assert (back.times.tolist(), back.labels) == ([-1, 1500], {"host": "a"})
    assert [field.nullable for field in frame.fields] == [True, True]
    assert series_to_frame(Series("cpu", series.times, series.values)).fields[1].labels is None


def test_a_series_beyond_the_years_of_nanoseconds_is_no_frame() -> None:
    with pytest.raises(ValueError, match="'cpu' has times beyond"):
        series_to_frame(Series("cpu", np.array([2**60]), np.zeros(1)))
