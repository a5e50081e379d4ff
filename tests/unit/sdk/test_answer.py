from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from graftage.data.columns import frame_from_columns
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.errors import PluginFault
from graftage.sdk.answer import result_of
from graftage.sdk.response import Response

TIMES = [datetime(2026, 11, 22, 11, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)]
RAIN = {"time": TIMES, "rain": [0.5, 1.5]}
SERIES = Series("rain", np.array([1, 2], np.int64), np.array([0.5, 1.5]))
TABLE = Table()


def shape(returned: object) -> tuple[int, int]:
    result = result_of("A", returned)
    assert (result.ref_id, result.error, result.meta_json) == ("A", "", "")
    return len(result.series), len(result.tables)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, (0, 0)),
        ([], (0, 0)),
        (RAIN, (1, 0)),
        (frame_from_columns(RAIN), (1, 0)),
        ({"city": ["Köln"], "rain": [1.0]}, (0, 1)),
        ([frame_from_columns(RAIN), SERIES, TABLE], (2, 1)),
        ((SERIES, SERIES), (2, 0)),
        (SERIES, (1, 0)),
        (TABLE, (0, 1)),
        (Response(RAIN), (1, 0)),
        (Response(), (0, 0)),
    ],
)
def test_everything_accepted_becomes_series_and_tables(returned: object, expected: tuple[int, int]) -> None:
    assert shape(returned) == expected


def test_a_dict_of_columns_keeps_its_values() -> None:
    (series,) = result_of("A", RAIN).series

    assert series.name == "rain"
    assert series.times.tolist() == [int(time.timestamp() * 1000) for time in TIMES]
    assert series.values.tolist() == [0.5, 1.5]


def test_a_response_says_more_about_its_frames() -> None:
    result = result_of(
        "A", Response([SERIES], meta={"rows": np.int64(2), "when": [1, None]}, error="incomplete")
    )

    assert result.error == "incomplete"
    assert result.meta_json == '{"rows":2,"when":[1,null]}'
    assert result.series == (SERIES,)


class DataFrame:
    """Like that of a library: its columns are attributes as well."""

    def __getattr__(self, column: str) -> list[float]:
        return [1.0]


class ArrowTable:
    def __arrow_c_stream__(self) -> None:
        pass


async def numbers() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (3, "returned an int; it can return a Frame"),
        ("text", "returned a str;"),
        ([SERIES, 2.5], "returned a list that holds a float;"),
        ((1, 2), "returned a tuple that holds an int;"),
        (
            [{"time": 1, "a": 2}],
            r'returned a list that holds a dict \(turn rows into columns: {"time": \[...\], "a": \[...\]}\);',
        ),
        ([dict.fromkeys("abcd")], r'columns: {"a": \[...\], "b": \[...\], "c": \[...\], ...}\);'),
        (
            DataFrame(),
            r"DataFrame \(give its columns: {name: df\[name\].to_numpy\(\) for name in df.columns}",
        ),
        (ArrowTable(), r"ArrowTable \(give its columns"),
        (numbers(), "returned an async_generator, which yields its data piece by piece;"),
        (np.array([1.0]), "returned a numpy.ndarray;"),
        (Response(Response()), "returned a graftage.sdk.response.Response;"),
    ],
)
def test_anything_else_is_an_error_saying_what_it_was_and_what_is_accepted(
    returned: object, said: str
) -> None:
    with pytest.raises(PluginFault, match=said):
        result_of("A", returned)


def test_meta_that_is_no_json_is_an_error() -> None:
    with pytest.raises(PluginFault, match=r"meta cannot be written as JSON: .*object"):
        result_of("A", Response(meta=object()))


def test_columns_of_different_length_are_an_error() -> None:
    with pytest.raises((ValueError, PluginFault)):
        result_of("A", {"time": TIMES, "rain": [1.0]})
