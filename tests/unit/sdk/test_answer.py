"""What a handler may return, and what is made of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from graftage.data.frame import FieldType, Frame
from graftage.data.intake import frame_from
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.errors import PluginFault
from graftage.sdk.answer import answer_of
from graftage.sdk.response import Notice, Response

TIMES = [datetime(2026, 11, 22, 11, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)]
RAIN = {"time": TIMES, "rain": [0.5, 1.5]}
ROWS = [{"time": TIMES[0], "rain": 0.5}, {"time": TIMES[1], "rain": 1.5}]
SERIES = Series("rain", np.array([1, 2], np.int64), np.array([0.5, 1.5]))
TABLE = Table()


class ArrowTable:
    """Hands itself over as libraries of data frames do."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return frame_from(RAIN).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, []),
        ([], []),
        ({}, [Frame]),
        (RAIN, [Frame]),
        (ROWS, [Frame]),
        ([RAIN, RAIN], [Frame, Frame]),
        ([{"rain": np.array([1.0])}], [Frame]),
        (frame_from(RAIN), [Frame]),
        (ArrowTable(), [Frame]),
        ([ArrowTable(), RAIN], [Frame, Frame]),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), [Frame]),
        ([frame_from(RAIN), SERIES, TABLE], [Frame, Series, Table]),
        ((SERIES, SERIES), [Series, Series]),
        (SERIES, [Series]),
        (TABLE, [Table]),
        (Response(RAIN), [Frame]),
        (Response(), []),
    ],
)
def test_everything_accepted_becomes_frames_series_and_tables(returned: object, expected: list[type]) -> None:
    answer = answer_of(returned)

    assert [type(item) for item in answer.items] == expected
    assert (answer.error, answer.meta_json, answer.status, answer.source) == ("", "", 200, "")


@pytest.mark.parametrize("returned", [RAIN, ROWS, ArrowTable(), Response(ROWS)])
def test_columns_rows_and_data_frames_keep_names_and_values(returned: object) -> None:
    (frame,) = answer_of(returned).frames()

    assert [field.name for field in frame.fields] == ["time", "rain"]
    assert frame.fields[0].values.tolist() == [int(time.timestamp() * 1e9) for time in TIMES]
    assert frame.fields[1].values.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "duckdb"])
def test_a_data_frame_of_any_library_is_an_answer(library: str) -> None:
    module = pytest.importorskip(library)
    match library:
        case "pyarrow":
            data = module.table(RAIN)
        case "duckdb":
            data = module.sql("select now() as time, r::double as rain from (values (0.5), (1.5)) t(r)")
        case _:
            data = module.DataFrame(RAIN)

    (frame,) = answer_of(data).frames()

    assert [field.name for field in frame.fields] == ["time", "rain"]
    assert [field.type for field in frame.fields] == [FieldType.TIME, FieldType.FLOAT64]
    assert frame.fields[1].values.tolist() == [0.5, 1.5]


def test_series_and_tables_are_frames_where_frames_are_wanted() -> None:
    series, table = answer_of([SERIES, TABLE]).frames()

    assert (series.name, [field.name for field in series.fields]) == ("", ["time", "rain"])
    assert (len(table.fields), table.meta) == (0, {"type": "table"})


def test_a_response_says_more_about_its_frames() -> None:
    answer = answer_of(
        Response([SERIES], meta={"rows": np.int64(2), "when": [1, None]}, error="incomplete", status=404)
    )

    assert (answer.error, answer.status, answer.source) == ("incomplete", 404, "downstream")
    assert answer.meta_json == '{"rows":2,"when":[1,null]}'
    assert answer.items == (SERIES,)


@pytest.mark.parametrize(
    ("response", "status", "source"),
    [
        (Response(), 200, ""),
        (Response(status=204), 204, ""),
        (Response(error="broken"), 500, "plugin"),
        (Response(error="no such city", status=404), 404, "downstream"),
        (Response(error="wrong method", status=405), 405, "plugin"),
        (Response(error="odd", status=200), 200, "plugin"),
    ],
)
def test_a_response_has_a_status_and_its_error_a_source(response: Response, status: int, source: str) -> None:
    answer = answer_of(response)

    assert (answer.status, answer.source) == (status, source)


def test_meta_by_grafanas_names_counts_for_frames_that_do_not_say_it() -> None:
    own = frame_from(RAIN)
    other = Frame(own.fields, meta={"executedQueryString": "mine"})

    frames = answer_of(Response([own, other], meta={"executedQueryString": "all", "x": 1})).frames()

    assert [frame.meta for frame in frames] == [
        {"executedQueryString": "all"},
        {"executedQueryString": "mine"},
    ]


def test_notices_are_texts_or_say_how_bad_it_is() -> None:
    answer = answer_of(Response(notices=["slow", Notice("stop", "error", "http://a")]))

    assert answer.notices == (
        {"severity": "info", "text": "slow"},
        {"severity": "error", "text": "stop", "link": "http://a"},
    )


@pytest.mark.parametrize("status", [-1, 99, 600])
def test_a_status_that_http_does_not_have_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"status {status} is none of HTTP"):
        Response(status=status)


class DataFrame:
    """Of a library that cannot hand it over; its columns are attributes as well."""

    def __getattr__(self, column: str) -> list[float]:
        return [1.0]


class LazyFrame:
    def collect(self) -> DataFrame:
        return DataFrame()


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
            DataFrame(),
            r"DataFrame \(give its columns: {name: df\[name\].to_numpy\(\) for name in df.columns}",
        ),
        (LazyFrame(), r"LazyFrame \(call its \.collect\(\) first\); it can return"),
        (numbers(), "returned an async_generator, which yields its data piece by piece;"),
        (np.array([1.0]), "returned a numpy.ndarray;"),
        (Response(Response()), "returned a graftage.sdk.response.Response;"),
    ],
)
def test_anything_else_is_an_error_saying_what_it_was_and_what_is_accepted(
    returned: object, said: str
) -> None:
    with pytest.raises(PluginFault, match=said):
        answer_of(returned)


def test_meta_that_is_no_json_is_an_error() -> None:
    with pytest.raises(PluginFault, match=r"meta cannot be written as JSON: .*object"):
        answer_of(Response(meta=object()))


@pytest.mark.parametrize(
    ("returned", "named"),
    [({"time": TIMES, "rain": [1.0]}, "rain"), ({"odd": [object()]}, "odd"), ([{"odd": object()}], "odd")],
)
def test_a_column_that_fits_into_no_frame_is_named(returned: object, named: str) -> None:
    with pytest.raises(ValueError, match=f"'{named}'"):
        answer_of(returned)
