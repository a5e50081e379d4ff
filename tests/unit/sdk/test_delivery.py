"""What handlers return and yield, as it is sent: whole or in pieces, for version 1 or 2."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from graftage.backend.query import Chunk, FrameFormat
from graftage.data.arrow.reader import read_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.intake import frame_from
from graftage.data.series import Series
from graftage.errors import PluginFault
from graftage.sdk.delivery import OneResult, Pieces, writing
from graftage.sdk.failure import Blame, Failure
from graftage.sdk.response import Response

START = datetime(2026, 11, 22, tzinfo=UTC)
WRITE = writing(FrameFormat.ARROW, for_grafana_7=False)


def hours(first: int, count: int, **columns: list[Any]) -> dict[str, list[Any]]:
    times = [START + timedelta(hours=hour) for hour in range(first, first + count)]
    return {"time": times, **(columns or {"rain": [float(hour) for hour in range(first, first + count)]})}


def sent(returned: object, *, grafana_7: bool = False) -> list[Frame]:
    delivery = OneResult("A", writing(FrameFormat.ARROW, for_grafana_7=grafana_7))
    delivery.whole(returned)
    assert delivery.result.arrow is not None
    return [read_arrow(data) for data in delivery.result.arrow]


def gathered(*pieces: object) -> list[Frame]:
    delivery = OneResult("A", WRITE)
    for piece in pieces:
        assert delivery.piece(piece) == ()
    delivery.end()
    assert delivery.result.arrow is not None
    return [read_arrow(data) for data in delivery.result.arrow]


def in_pieces(*pieces: object) -> list[Chunk]:
    delivery = Pieces("A", WRITE)
    return [chunk for piece in pieces for chunk in delivery.piece(piece)]


def frame_in(chunk: Chunk) -> Frame:
    assert chunk.arrow is not None
    return read_arrow(chunk.arrow)


def test_frames_carry_their_ref_id_and_a_type_where_their_shape_has_one() -> None:
    (frame,) = sent(hours(0, 3))

    assert (frame.ref_id, (frame.meta or {})["type"]) == ("A", "timeseries-multi")
    assert [field.nullable for field in frame.fields] == [False, False]
    assert frame.fields[1].values.tolist() == [0.0, 1.0, 2.0]


def test_a_ref_id_of_the_authors_stays() -> None:
    frame = frame_from({"n": [1]}, ref_id="mine")

    assert [one.ref_id for one in sent([frame, {"n": [1]}])] == ["mine", "A"]


def test_frames_that_are_returned_together_stay_apart_however_alike() -> None:
    assert [len(frame) for frame in sent([hours(0, 2), hours(2, 3)])] == [2, 3]


def test_no_data_is_no_frame() -> None:
    delivery = OneResult("A", WRITE)
    delivery.whole(None)

    assert (delivery.result.arrow, delivery.result.status, delivery.result.error) == ((), 200, "")


def test_notices_come_with_the_first_frame_even_if_there_is_none() -> None:
    frames = sent(Response([hours(0, 1), hours(1, 1)], notices=["slow"]))
    (alone,) = sent(Response(notices=["nothing there"]))

    assert [(frame.meta or {}).get("notices") for frame in frames] == [
        [{"severity": "info", "text": "slow"}],
        None,
    ]
    assert (len(alone.fields), (alone.meta or {})["notices"][0]["text"]) == (0, "nothing there")  # type: ignore[index]


def test_a_host_of_grafana_7_gets_json_as_text() -> None:
    column = np.array(['{"a": 1}'], object)
    frame = Frame((Field("labels", FieldType.JSON, column),))

    assert [sent(frame, grafana_7=old)[0].fields[0].type for old in (False, True)] == [
        FieldType.JSON,
        FieldType.STRING,
    ]


def test_a_host_that_asks_for_json_gets_json() -> None:
    delivery = OneResult("A", writing(FrameFormat.JSON, for_grafana_7=False))
    delivery.whole({"n": [1, 2]})
    (data,) = delivery.result.arrow or ()

    read = json.loads(data)
    assert (read["schema"]["refId"], read["data"]["values"]) == ("A", [[1, 2]])


def test_version_1_gets_series_and_tables() -> None:
    series = Series("s", np.array([1], np.int64), np.array([0.5]))
    delivery = OneResult("A")
    delivery.whole(Response([hours(0, 2), series, {"city": ["Köln"]}], error="half", notices=["slow"]))

    result = delivery.result
    assert ([one.name for one in result.series], len(result.tables)) == (["rain", "s"], 1)
    assert (result.error, result.arrow) == ("half", None)


def test_version_1_gets_yielded_series_as_they_are_and_frames_joined() -> None:
    delivery = OneResult("A")
    for piece in (hours(0, 2), Series("s", np.array([1], np.int64), np.array([0.5])), hours(2, 1)):
        delivery.piece(piece)
    delivery.end()

    assert [(one.name, len(one)) for one in delivery.result.series] == [("rain", 3), ("s", 1)]


def test_pieces_of_one_structure_become_one_frame_and_others_their_own() -> None:
    rain, heat = gathered(hours(0, 2), {"city": ["Köln"], "heat": [1]}, hours(2, 1), None, hours(3, 1))

    assert rain.fields[1].values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert heat.fields[0].values.tolist() == ["Köln"]


def test_pieces_with_and_without_gaps_join() -> None:
    (frame,) = gathered(hours(0, 2), hours(2, 2, rain=[None, 3.0]))

    assert frame.fields[1].present().tolist() == [True, True, False, True]
    assert (frame.fields[0].nullable, frame.fields[1].nullable) == (False, True)


def test_labels_tell_frames_apart() -> None:
    def piece(city: str, value: float) -> Frame:
        time, rain = frame_from({"time": [START], "rain": [value]}).fields
        return Frame((time, Field("rain", rain.type, rain.values, labels={"city": city})))

    frames = gathered(piece("Köln", 1), piece("Bonn", 2), piece("Köln", 3))

    assert [(dict(frame.fields[1].labels or {}), len(frame)) for frame in frames] == [
        ({"city": "Köln"}, 2),
        ({"city": "Bonn"}, 1),
    ]


def test_what_pieces_say_beside_their_data_is_gathered() -> None:
    delivery = OneResult("A", WRITE)
    delivery.piece(Response(hours(0, 1), notices=["slow"], meta={"rows": 1}))
    delivery.piece(Response(hours(1, 1), notices=["slower"], error="broke off", status=502))
    delivery.end()

    (frame,) = map(read_arrow, delivery.result.arrow or ())
    notices: Any = (frame.meta or {})["notices"]
    assert [notice["text"] for notice in notices] == ["slow", "slower"]
    assert (len(frame), delivery.result.error, delivery.result.status) == (2, "broke off", 502)
    assert (delivery.result.error_source, delivery.result.meta_json) == ("downstream", '{"rows":1}')


def test_chunks_of_one_structure_have_one_id_and_one_declaration() -> None:
    chunks = in_pieces(hours(0, 2), {"city": ["Köln"]}, hours(2, 2, rain=[None, 3.0]), {"city": ["Bonn"]})

    assert [(chunk.ref_id, chunk.frame_id) for chunk in chunks] == [
        ("A", "f0"),
        ("A", "f1"),
        ("A", "f0"),
        ("A", "f1"),
    ]
    first, later = frame_in(chunks[0]), frame_in(chunks[2])
    assert [(field.name, field.nullable) for field in first.fields] == [("time", False), ("rain", True)]
    assert [(field.name, field.nullable) for field in later.fields] == [("time", False), ("rain", True)]
    assert first.meta == later.meta
    assert (first.ref_id, later.ref_id) == ("A", "A")


def test_chunks_of_json_have_the_schema_once() -> None:
    delivery = Pieces("A", writing(FrameFormat.JSON, for_grafana_7=False))
    written = [
        json.loads(chunk.arrow or b"") for number in (1, 2) for chunk in delivery.piece({"n": [number]})
    ]

    assert [sorted(piece) for piece in written] == [["data", "schema"], ["data"]]
    assert [piece["data"]["values"] for piece in written] == [[[1]], [[2]]]


def test_a_chunk_that_cannot_continue_its_frame_begins_another() -> None:
    chunks = in_pieces(hours(0, 1), {"time": [START, None], "rain": [1.0, 2.0]})

    assert [chunk.frame_id for chunk in chunks] == ["f0", "f1"]


def test_what_is_returned_whole_is_a_chunk_for_each_frame_and_one_for_its_error() -> None:
    chunks = Pieces("A", WRITE).whole(Response([hours(0, 1), hours(1, 1)], error="half", status=504))

    assert [(chunk.frame_id, chunk.error, chunk.status, chunk.error_source) for chunk in chunks] == [
        ("f0", "", 200, ""),
        ("f1", "", 200, ""),
        ("", "half", 504, "downstream"),
    ]
    assert chunks[-1].arrow is None


@pytest.mark.parametrize("delivery", [OneResult("A"), OneResult("A", WRITE), Pieces("A", WRITE)])
def test_what_is_no_answer_is_refused_however_it_is_sent(delivery: OneResult | Pieces) -> None:
    with pytest.raises(PluginFault, match="returned an int"):
        delivery.whole(3)
    with pytest.raises(ValueError, match="'odd'"):
        delivery.piece({"odd": [object()]})


def test_a_failure_is_told_with_status_and_source() -> None:
    failure = Failure("no such city", Blame(404, "downstream"))
    result, chunks = OneResult("A", WRITE), Pieces("A", WRITE)
    result.fail(failure)
    told: Sequence[Chunk] = chunks.fail(failure)

    assert (result.result.error, result.result.status, result.result.error_source) == (
        "no such city",
        404,
        "downstream",
    )
    assert told == (Chunk("A", "", None, "no such city", 404, "downstream"),)
