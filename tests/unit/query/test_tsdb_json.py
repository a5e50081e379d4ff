"""Answers, byte for byte: against what Grafana 7.5.5 was recorded to say, and rule by rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graftage.backend.query import Result
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.protocol.pb import datasource_v1_pb2 as pb
from graftage.protocol.v1.response import decode_response
from graftage.query.tsdb_json import encode_answer

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"

# What Grafana answers with an error, or differently each time, is written better here.
DELIBERATE = {
    "positive infinity", "negative infinity", "double NaN", "double infinity",
    "unknown kind number", "both fail, message is one of them",
}  # fmt: skip


def recorded() -> list[object]:
    cases = [
        case
        for scenario in ("series", "tables", "errors")
        for case in json.loads((GOLDEN / f"{scenario}.7.5.5.json").read_text())
        if "results" in case.get("plugin_response", {}) and case["name"] not in DELIBERATE
    ]
    assert len(cases) > 40
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", recorded())
def test_an_answer_is_written_as_recorded(case: dict[str, dict[str, str]]) -> None:
    wire = json_format.ParseDict(case["plugin_response"], pb.DatasourceResponse()).SerializeToString()
    results = {result.ref_id: result for result in decode_response(wire)}
    message = next((result.error for _, result in sorted(results.items()) if result.error), "")
    assert b"".join(encode_answer(results, message=message)).decode() == case["response"]["body_text"]


def points(times: Sequence[int], values: Sequence[float]) -> str:
    series = Series("s", np.array(times, np.int64), np.array(values, np.float64))
    body = b"".join(encode_answer({"A": Result("A", series=(series,))})).decode()
    start, end = (
        '{"results":{"A":{"refId":"A","series":[{"name":"s","points":[',
        ']}],"tables":null,"dataframes":null}}}',
    )
    assert body.startswith(start)
    assert body.endswith(end)
    return body[len(start) : -len(end)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.5, "1.5"), (1e6, "1000000"), (-1e15, "-1000000000000000"),
        (1e16, "10000000000000000"), (1e21, "1" + "0" * 21), (1.5e300, "15" + "0" * 299),
        (1e-5, "0.00001"), (1e-7, "0.0000001"), (5e-324, "0." + "0" * 323 + "5"),
        (123456789012345680.0, "123456789012345680"), (2.0**53 + 2, "9007199254740994"),
        (float("nan"), "null"), (float("inf"), "null"), (float("-inf"), "null"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 600, 16390])
def test_a_value_has_its_shortest_digits_and_no_exponent(value: float, text: str, count: int) -> None:
    assert points([7] * count, [value] * count) == ",".join([f"[{text},7]"] * count)
    mixed = [value if index % 100 == 0 else 0.25 for index in range(count)]
    expected = [f"[{text if index % 100 == 0 else '0.25'},7]" for index in range(count)]
    assert points([7] * count, mixed) == ",".join(expected)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "0"), (-1, "-1"), (1555324640782, "1555324640782"), (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"), (10**16 + 1, "10000000000000000"),
        (2**63 - 1, "9223372036854776000"), (-(2**63), "-9223372036854776000"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 600])
def test_a_timestamp_goes_through_a_double(time: int, text: str, count: int) -> None:
    assert points([time] * count, [1.5] * count) == ",".join([f"[1.5,{text}]"] * count)


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**60), 2**60).map(float),
    st.just(-0.0),
    st.just(0.5),
)


def digits(number: float) -> str:
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), VALUES), min_size=1, max_size=20),
    st.sampled_from([1, 300]),
)
@example([(-99, 1.0), (-10, 2.0)], 300)
@example([(-1, 1.0), (10, 2.0)], 300)
@example([(99, 1.0), (100, 2.0)], 300)
@example([(100, 1e-7), (101, 2.0), (102, 1e21), (103, 0.25)], 300)
def test_all_ways_of_writing_points_write_the_same(pairs: list[tuple[int, float]], times: int) -> None:
    pairs = pairs * times
    expected = ",".join(f"[{digits(value)},{digits(float(time))}]" for time, value in pairs)
    assert points([time for time, _ in pairs], [value for _, value in pairs]) == expected


def test_a_long_answer_comes_in_chunks() -> None:
    count = 100_000
    series = Series("s", np.arange(count) + 10**12, np.sin(np.arange(count)))
    chunks = encode_answer({"A": Result("A", series=(series,))})
    assert len(chunks) > 5
    assert max(map(len, chunks)) < 1 << 20
    read = json.loads(b"".join(chunks))["results"]["A"]["series"][0]["points"]
    assert read == [list(pair) for pair in zip(series.values.tolist(), series.times.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"), (1.5e300, "1.5e+300"), (1e20, "1" + "0" * 20), (1e16, "10000000000000000"),
        (1e-6, "0.000001"), (1.25e-7, "1.25e-7"), (5e-324, "5e-324"), (-0.0, "-0"), (float("inf"), "null"),
        (2**63 - 1, "9223372036854775807"), (True, "true"), (None, "null"), ("<\x08", r'"\u003c\u0008"'),
        (b"hello", '"aGVsbG8="'), (b"", "null"),
    ],
)  # fmt: skip
def test_a_cell_is_written_by_its_kind(value: object, text: str) -> None:
    body = b"".join(encode_answer({"A": Result("A", tables=(Table.of(["a"], [[value, 1], []]),))})).decode()
    assert f'"tables":[{{"columns":[{{"text":"a"}}],"rows":[[{text},1],[]]}}]' in body


def test_results_are_sorted_and_the_message_stands_behind_them() -> None:
    results = {"b": Result("b", error="x"), "A": Result("A", meta_json='{"z":1.0,"a":[]} rest')}
    assert b"".join(encode_answer(results, message="<x>")).decode() == (
        '{"results":{"A":{"refId":"A","meta":{"a":[],"z":1.0},"series":[],"tables":null,"dataframes":null},'
        '"b":{"error":"x","refId":"b","series":[],"tables":null,"dataframes":null}},"message":"\\u003cx\\u003e"}'
    )
