"""The frames of a result, of either version of the protocol."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from graftage.backend.frames import frames_of
from graftage.backend.query import Result
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import FieldType, Frame
from graftage.data.intake import frame_from
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.errors import WireError
from support.frames import compressed


def test_arrow_files_are_read_and_a_missing_ref_id_is_that_of_the_result() -> None:
    frames = [frame_from({"x": [1]}, name="n"), Frame(ref_id="B")]
    answer = frames_of(Result("A", arrow=tuple(map(write_arrow, frames))))
    assert [(frame.name, frame.ref_id, len(frame)) for frame in answer] == [("n", "A", 1), ("", "B", 0)]


def test_series_and_tables_become_frames_series_first() -> None:
    series = Series("cpu", np.array([1500]), np.array([0.5]), {"host": "a"})
    answer = frames_of(Result("A", series=(series,), tables=(Table.of(["x"], [[1]]),)))
    assert [(frame.name, frame.ref_id) for frame in answer] == [("cpu", "A"), ("", "A")]
    time, value = answer[0].fields
    assert [(time.name, time.type, time.nullable), (value.name, value.type, value.nullable)] == [
        ("time", FieldType.TIME, True),
        ("value", FieldType.FLOAT64, True),
    ]
    assert value.labels == {"host": "a"}


def test_nothing_is_no_frames() -> None:
    assert frames_of(Result("A")) == ()
    assert frames_of(Result("A", arrow=())) == ()


@pytest.mark.parametrize(
    "result",
    [
        Result("A", arrow=(b"no arrow",)),
        Result("A", series=(Series("cpu", np.array([2**60]), np.zeros(1)),)),
    ],
)
def test_what_is_no_frame_is_the_fault_of_the_plugin(result: Result) -> None:
    with pytest.raises(WireError):
        frames_of(result)


def test_what_all_compressed_frames_of_a_result_unpack_to_is_limited() -> None:
    file = compressed(pa.table({"x": np.zeros(3_000_000)}), "zstd")  # 24 MB, and tiny on the wire
    assert len(frames_of(Result("A", arrow=(file, file)))) == 2
    with pytest.raises(WireError, match="claims 24000000 bytes where at most"):
        frames_of(Result("A", arrow=(file, file, file)))
