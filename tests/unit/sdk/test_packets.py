"""What a stream yields, as subscribers get it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from graftage.data.frame_json import read_frame_json
from graftage.data.intake import frame_from
from graftage.errors import PluginFault
from graftage.sdk.packets import Packets

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def sent(*yielded: object) -> list[Any]:
    packets = Packets()
    return [json.loads(packets.packet(piece)) for piece in yielded]


@pytest.mark.parametrize(
    "yielded",
    [
        {"time": NOON, "rate": 1.5},
        {"time": [NOON], "rate": [1.5]},
        {"time": [NOON], "rate": np.array([1.5])},
        {"time": NOON, "rate": np.float64(1.5)},
        [{"time": NOON, "rate": 1.5}],
        frame_from({"time": [NOON], "rate": [1.5]}),
        pl.DataFrame({"time": [NOON], "rate": [1.5]}),
    ],
    ids=str,
)
def test_whatever_is_yielded_becomes_a_frame(yielded: object) -> None:
    frame = read_frame_json(Packets().packet(yielded))

    assert [field.name for field in frame.fields] == ["time", "rate"]
    assert [field.values.tolist() for field in frame.fields] == [[1795348800 * 10**9], [1.5]]


def test_the_schema_is_sent_once_and_then_only_data() -> None:
    pieces = sent({"rate": 1.5}, {"rate": 2.5}, {"rate": None, "time": None}, {"rate": 3.5})

    assert [sorted(piece) for piece in pieces] == [
        ["data", "schema"],
        ["data"],
        ["data", "schema"],
        ["data", "schema"],
    ]
    assert pieces[1] == {"data": {"values": [[2.5]]}}


@pytest.mark.parametrize(
    ("first", "then", "is_whole"),
    [
        ({"rate": [1.5, 2.5]}, {"rate": [None, 2.5]}, False),
        ({"rate": [None, 2.5]}, {"rate": [1.5]}, False),
        ({"rate": [1.5]}, {"rate": [1]}, True),
        ({"rate": [1.5]}, {"other": [1.5]}, True),
        ({"rate": [1.5]}, frame_from({"rate": [1.5]}, name="named"), True),
    ],
)
def test_only_another_structure_makes_a_new_schema(first: Any, then: Any, is_whole: bool) -> None:
    assert ("schema" in sent(first, then)[1]) is is_whole


def test_the_latest_schema_is_kept_for_those_who_come_later() -> None:
    packets = Packets()
    assert packets.schema == b""

    whole = json.loads(packets.packet({"rate": 1.5}))
    packets.packet({"rate": 2.5})

    assert json.loads(packets.schema) == {"schema": whole["schema"]}


@pytest.mark.parametrize("json_text", ['{"a": [1]}', b"[1, 2]", bytearray(b"null"), memoryview(b'"x"')])
def test_text_and_bytes_are_json_and_stay_as_they_are(json_text: Any) -> None:
    expected = json_text.encode() if isinstance(json_text, str) else bytes(json_text)

    assert Packets().packet(json_text) == expected


def test_after_json_of_the_authors_own_the_schema_is_sent_again() -> None:
    pieces = sent({"rate": 1.5}, '{"a": 1}', {"rate": 2.5})

    assert "schema" in pieces[2]


@pytest.mark.parametrize("text", ["", "nonsense", b'{"a": ', "\udc00"])
def test_text_that_is_no_json_is_the_authors_to_mend(text: Any) -> None:
    with pytest.raises(PluginFault, match="the stream gave text that is no JSON"):
        Packets().packet(text)


@pytest.mark.parametrize("yielded", [7, None, object()])
def test_what_is_no_data_is_told(yielded: object) -> None:
    with pytest.raises(TypeError, match="is no table"):
        Packets().packet(yielded)
