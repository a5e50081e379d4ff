"""Grafana's own libraries on our frames: how they are written as JSON, and which series are found in them."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.data.arrow.writer import write_arrow
from graftage.data.data_plane import numeric, timeseries, typed
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_json import write_frame_json
from graftage.data.intake import frame_from
from graftage.data.long_wide import long_to_wide
from graftage.data.shape import shape_of
from support.frames import frames
from support.go import build_judge

Verdict = dict[str, Any]
Judge = Callable[..., Verdict]

FIRST, SECOND = (datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (1, 2))


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """Asks one process about frames, again and again."""
    with subprocess.Popen([build_judge()], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def ask(*asked: Frame) -> Verdict:
            arrow = [b64encode(write_arrow(frame)).decode() for frame in asked]
            questions.write(json.dumps({"arrow": arrow}).encode() + b"\n")
            questions.flush()
            verdict: Verdict = json.loads(answers.readline())
            return verdict

        yield ask
        questions.close()


def frame_of(columns: dict[str, object], *, labels: dict[str, str] | None = None) -> Frame:
    time, *values = frame_from({"time": [FIRST, SECOND], **columns}).fields
    return Frame((time, *(Field(one.name, one.type, one.values, one.valid, labels) for one in values)))


@settings(deadline=None)
@given(frame=st.lists(st.sampled_from(FieldType), max_size=4).flatmap(lambda kinds: frames(*kinds)))
def test_the_go_sdk_writes_the_same_json(judge: Judge, frame: Frame) -> None:
    assert judge(frame)["json"] == [b"".join(write_frame_json(frame)).decode()]


@settings(deadline=None)
@given(frame=st.lists(st.sampled_from(FieldType), max_size=4).flatmap(lambda kinds: frames(*kinds)))
def test_the_go_sdk_sees_the_same_shape(judge: Judge, frame: Frame) -> None:
    assert judge(frame)["shapes"] == [shape_of(frame)]


@pytest.mark.parametrize(
    ("answer", "kind", "found"),
    [
        (
            typed(
                [
                    frame_of({"cpu": [1, 2]}, labels={"host": "a"}),
                    frame_of({"cpu": [1, 2]}, labels={"host": "b"}),
                ]
            ),
            "timeseries-multi",
            ["cpu{host=a} x 2", "cpu{host=b} x 2"],
        ),
        (typed([frame_of({"up": [True, None]})]), "timeseries-multi", ["up{} x 2"]),
        (
            typed([frame_of({"cpu": [1, 2], "load": [1.5, None]})]),
            "timeseries-wide",
            ["cpu{} x 2", "load{} x 2"],
        ),
        (
            typed([frame_of({"host": ["a", None], "cpu": [1, 2]})]),
            "timeseries-long",
            ["cpu{host=} x 1", "cpu{host=a} x 1"],
        ),
        (
            [long_to_wide(frame_of({"host": ["a", "b"], "cpu": [1, 2]}))],
            "timeseries-wide",
            ["cpu{host=a} x 2", "cpu{host=b} x 2"],
        ),
        (
            typed([frame_from({"cpu": [1], "load": [0.5]})]),
            "numeric-wide",
            ["cpu{} = 1", "load{} = 0.5"],
        ),
        (
            typed([frame_from({"up": [True]}), frame_from({"cpu": [0.5]})]),
            "numeric-multi",
            ["up{} = 1", "cpu{} = 0.5"],
        ),
        (
            typed([frame_from({"host": ["a", "b"], "cpu": [1, None]})]),
            "numeric-long",
            ["cpu{host=a} = 1", "cpu{host=b} = nothing"],
        ),
        (
            [timeseries({"t": [FIRST], "cpu": [1]}, labels={"host": "a"})],
            "timeseries-multi",
            ["cpu{host=a} x 1"],
        ),
        (
            [timeseries({"t": [FIRST, SECOND], "a": [1, 2], "b": [3, 4]})],
            "timeseries-wide",
            ["a{} x 2", "b{} x 2"],
        ),
        (
            [timeseries({"t": [FIRST, FIRST], "host": ["a", "b"], "up": [True, False]})],
            "timeseries-long",
            ["up{host=a} x 1", "up{host=b} x 1"],
        ),
        ([timeseries({"t": np.zeros(0, "M8[s]"), "cpu": np.zeros(0)})], "timeseries-multi", ["cpu{} x 0"]),
        ([numeric({"cpu": 0.5}, labels={"host": "a"})], "numeric-wide", ["cpu{host=a} = 0.5"]),
        ([numeric({"host": ["a"], "cpu": [1]})], "numeric-long", ["cpu{host=a} = 1"]),
        ([Frame(meta={"type": "timeseries-multi", "typeVersion": [0, 1]})], "timeseries-multi", []),
    ],
)
def test_alert_rules_find_the_series_of_typed_frames(
    judge: Judge, answer: list[Frame], kind: str, found: list[str]
) -> None:
    verdict = judge(*answer)
    assert (verdict["type"], verdict["series"], verdict["error"]) == (kind, found, "")


def test_alert_rules_refuse_times_that_may_be_missing(judge: Judge) -> None:
    """Which is why `typed` declares them not nullable."""
    times = Field("t", FieldType.TIME, np.arange(2).astype("M8[ns]"), nullable=True)
    frame = Frame((times, *frame_from({"cpu": [1, 2]}).fields), meta={"type": "timeseries-multi"})
    meta = {"type": "timeseries-multi", "typeVersion": [0, 1]}
    assert "missing a []time.Time field" in judge(Frame(frame.fields, meta=meta))["error"]
    assert judge(*typed([frame]))["error"] == ""
