"""Typed frames."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from graftage.data.data_plane import logs, numeric, timeseries, typed
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.intake import frame_from
from support.frames import text_array

FIRST, SECOND = (datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (1, 2))
TIMES = [FIRST, SECOND]
EMPTY: list[Any] = []


def cpu(labels: dict[str, str] | None = None, *, name: str = "cpu") -> Field:
    return Field(name, FieldType.FLOAT64, np.array([0.5, 1]), labels=labels)


def series(*values: Field, times: object = TIMES) -> Frame:
    return Frame((*frame_from({"time": times}).fields, *values))


def types_of(*frames: Frame) -> list[Any]:
    return [(frame.meta or {}).get("type") for frame in typed(frames)]


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([series(cpu())], "timeseries-multi"),
        ([series(cpu({"host": "a"})), series(cpu({"host": "b"}))], "timeseries-multi"),
        ([frame_from({"t": TIMES, "up": [True, False]})], "timeseries-multi"),
        ([frame_from({"t": np.zeros(0, "M8[ns]"), "x": np.zeros(0)})], "timeseries-multi"),
        ([series(cpu({"host": "a"}), cpu({"host": "b"}))], "timeseries-wide"),
        ([frame_from({"t": TIMES, "host": ["a", "b"], "cpu": [1, 2]})], "timeseries-long"),
        ([frame_from({"t": [FIRST, FIRST], "host": ["a", "b"], "cpu": [1, 2]})], "timeseries-long"),
        ([frame_from({"cpu": [1]})], "numeric-wide"),
        ([frame_from({"cpu": [1], "load": [0.5]})], "numeric-wide"),
        ([frame_from({"up": [True]})], "numeric-multi"),
        ([frame_from({"cpu": [1]}), frame_from({"load": [1]})], "numeric-multi"),
        ([frame_from({"host": ["a", "b"], "cpu": [1, 2], "load": [3, 4]})], "numeric-long"),
    ],
)
def test_frames_get_the_type_that_fits_them(frames: list[Frame], kind: str) -> None:
    answer = typed(frames)
    assert {(frame.meta or {})["type"] for frame in answer} == {kind}
    assert all((frame.meta or {})["typeVersion"] == [0, 1] for frame in answer)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [Frame()],
        [series(cpu()), Frame()],
        [series(cpu(), times=[SECOND, FIRST])],
        [series(cpu(), times=[FIRST, FIRST])],
        [series(cpu(), times=[FIRST, None])],
        [series(cpu(), cpu())],
        [series(cpu()), series(cpu())],
        [series(cpu(), cpu(name="load")), series(cpu({"host": "b"}))],
        [series(cpu(), Field("up", FieldType.BOOL, np.ones(2, np.bool_)))],
        [series(cpu(), Field("state", FieldType.ENUM, np.zeros(2, np.uint16)))],
        [series(cpu(), Field("about", FieldType.JSON, text_array(["{}", "{}"])))],
        [frame_from({"t": TIMES, "line": ["a", "b"]})],
        [frame_from({"t": TIMES, "host": ["a", "b"], "up": [True, True], "cpu": [1, 2]})],
        [frame_from({"t": TIMES, "end": TIMES, "host": ["a", "b"], "cpu": [1, 2]})],
        [frame_from({"cpu": [1, 2]})],
        [frame_from({"cpu": [1], "up": [True]})],
        [frame_from({"host": ["a", "a"], "cpu": [1, 2]})],
        [frame_from({"host": ["a"]})],
        [frame_from({"host": list(map(str, range(10_001))), "cpu": range(10_001)})],
    ],
)
def test_frames_that_could_be_something_else_stay_as_they_are(frames: list[Frame]) -> None:
    assert types_of(*frames) == [None] * len(frames)


@pytest.mark.parametrize(
    "meta",
    [
        {"dataTopic": "annotations"},
        {"preferredVisualisationType": "trace"},
        {"preferredVisualisationPluginId": "my-panel"},
        {"channel": "ds/a/b"},
        {"type": "table"},
        {"type": "table", "typeVersion": [0, 0]},
    ],
)
def test_what_the_author_says_about_a_frame_stays(meta: dict[str, object]) -> None:
    (frame,) = typed([Frame(series(cpu()).fields, meta=meta)])
    assert frame.meta == meta


def test_other_words_about_a_frame_do_not_keep_it_from_being_typed() -> None:
    meta = {"executedQueryString": "select 1", "preferredVisualisationType": "graph"}
    (frame,) = typed([Frame(series(cpu()).fields, "n", "A", meta)])
    assert (frame.name, frame.ref_id) == ("n", "A")
    assert frame.meta == {**meta, "type": "timeseries-multi", "typeVersion": [0, 1]}


@pytest.mark.parametrize("version", [None, [0, 0], [1, 0]])
def test_a_version_is_added_only_where_there_is_none(version: list[int] | None) -> None:
    said = {"type": "timeseries-long"} | ({} if version is None else {"typeVersion": version})
    answer = typed([Frame(series(cpu()).fields, meta=said), series(cpu())])
    assert [frame.meta for frame in answer] == [{**said, "typeVersion": version or [0, 1]}, None]


@pytest.mark.parametrize("meta", [None, {"type": "timeseries-wide", "typeVersion": [0, 1]}])
def test_the_times_of_a_typed_time_series_are_not_nullable(meta: dict[str, object] | None) -> None:
    times = Field("t", FieldType.TIME, np.arange(2).astype("M8[ns]"), np.ones(2, np.bool_))
    assert times.nullable
    (frame,) = typed([Frame((times, cpu()), meta=meta)])
    assert (frame.fields[0].nullable, frame.fields[0].valid) == (False, None)
    assert frame.fields[1].nullable is False, "as the author made it"


def test_a_typed_time_series_without_a_time_in_some_row_is_refused() -> None:
    frame = Frame(series(cpu(), times=[FIRST, None]).fields, meta={"type": "timeseries-long"})
    with pytest.raises(ValueError, match="row 1 of field 'time' is missing"):
        typed([frame])


def test_further_times_and_those_of_other_types_may_be_missing() -> None:
    frame = frame_from({"a": TIMES, "b": [FIRST, None], "x": [1, 2]})
    (answer,) = typed([Frame(frame.fields, meta={"type": "timeseries-wide"})])
    assert [field.nullable for field in answer.fields] == [False, True, False]
    (answer,) = typed([Frame(frame.fields[1:], meta={"type": "table"})])
    assert answer.fields[0].nullable


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"time": TIMES, "cpu": [1, 2]}, "timeseries-multi"),
        ({"time": TIMES, "up": [True, False], "cpu": [1, None]}, "timeseries-wide"),
        ({"time": [FIRST, FIRST], "host": ["a", "b"], "cpu": [1, 2]}, "timeseries-long"),
    ],
)
def test_a_time_series_of_columns_says_what_it_is(columns: dict[str, object], kind: str) -> None:
    frame = timeseries(columns, name="n", ref_id="A")
    assert (frame.name, frame.ref_id, frame.meta) == ("n", "A", {"type": kind, "typeVersion": [0, 1]})
    assert frame.fields[0].nullable is False


def test_labels_belong_to_the_values() -> None:
    time, value = timeseries({"time": TIMES, "cpu": [1, 2]}, labels={"host": "a"}).fields
    assert (time.labels, value.labels) == (None, {"host": "a"})
    (number,) = numeric({"cpu": 0.5}, labels={"host": "a"}).fields
    assert (number.values.tolist(), number.labels) == ([0.5], {"host": "a"})


@pytest.mark.parametrize(
    ("columns", "labels", "complaint"),
    [
        ({"cpu": [1]}, None, "expected one column of times .* got 'cpu' of int64"),
        ({"time": TIMES}, None, "at least one of numbers or bools"),
        ({"a": TIMES, "b": TIMES, "cpu": [1, 2]}, None, "expected one column of times"),
        ({"time": [FIRST, None], "cpu": [1, 2]}, None, "row 1 of field 'time' is missing"),
        ({"time": [SECOND, FIRST], "host": ["a", "a"], "cpu": [1, 2]}, None, "sort the rows by time$"),
        ({"time": [FIRST, FIRST], "cpu": [1, 2]}, None, "sort the rows by time, each once"),
        ({"time": TIMES, "host": ["a", "b"], "cpu": [1, 2]}, {"dc": "x"}, "expected one of them"),
    ],
)
def test_what_is_no_time_series_is_refused(
    columns: dict[str, object], labels: dict[str, str] | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        timeseries(columns, labels=labels)


def test_numbers_stand_in_one_row_or_are_told_apart_by_texts() -> None:
    assert numeric({"cpu": 1, "load": [0.5]}).meta == {"type": "numeric-wide", "typeVersion": [0, 1]}
    rows = numeric([{"host": "a", "cpu": 1}, {"host": "b", "cpu": 2}])
    assert (rows.meta or {})["type"] == "numeric-long"
    assert len(numeric({"cpu": np.zeros(0)})) == 0


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"host": ["a"]}, "expected columns of numbers, .* got 'host' of string"),
        ({"cpu": 1, "up": True}, "'up' of bool"),
        ({"time": FIRST, "cpu": 1}, "'time'"),
        ({}, "got no columns"),
        ({"cpu": [1, 2]}, "expected one number a column, got 2"),
    ],
)
def test_what_are_no_numbers_is_refused(columns: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        numeric({key: [value] if value is FIRST else value for key, value in columns.items()})


def test_log_lines_are_what_explore_looks_for() -> None:
    frame = logs(TIMES, ["up", "down"], severities=["info", None], labels=[{"host": "a"}, None], ref_id="A")
    assert [(field.name, field.type, field.nullable) for field in frame.fields] == [
        ("timestamp", FieldType.TIME, False),
        ("body", FieldType.STRING, False),
        ("severity", FieldType.STRING, True),
        ("labels", FieldType.JSON, True),
    ]
    assert frame.meta == {"type": "log-lines", "typeVersion": [0, 0], "preferredVisualisationType": "logs"}
    assert typed([frame])[0].meta == frame.meta


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ((["now"], ["up"]), "column 'timestamp' is of string; expected it to be of time.Time"),
        (([FIRST], [1]), "column 'body' is of int64"),
        ((TIMES, ["up", None]), "row 1 of field 'body' is missing"),
        (([FIRST, None], ["up", "down"]), "row 1 of field 'timestamp' is missing"),
    ],
)
def test_log_lines_without_a_time_or_a_text_are_refused(columns: tuple[Any, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        logs(*columns)


def test_builders_take_frames_too() -> None:
    assert (timeseries(frame_from({"t": TIMES, "x": [1, 2]}, name="n")).name) == "n"
