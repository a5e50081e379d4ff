from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from graftage.cli.show import (
    BARS,
    Answer,
    console_for,
    errors,
    printable,
    read_answer,
    render,
    sparkline,
    write_csv,
)

T0 = 1555324640000  # 2019-04-15T10:37:20Z
SERIES = {
    "name": "cpu",
    "points": [[1.5, T0], [None, T0 + 1000], [2, T0 + 2500]],
    "tags": {"zone": "x", "host": "a"},
}
TABLE = {
    "columns": [{"text": "time"}, {"text": "who"}, {"text": "n"}, {"text": "ok"}],
    "rows": [[T0, 'Zoë, "the" one', 9007199254740993, True], [None, "two\nlines", 1.25, None], [T0]],
}


def answer(**results: dict[str, Any]) -> Answer:
    body = {
        ref_id: {"refId": ref_id, "series": [], "tables": None, "dataframes": None} | result
        for ref_id, result in results.items()
    }
    return read_answer(json.dumps({"results": body}).encode())


def on_paper(given: Answer, *, charts: bool = False) -> str:
    file = io.StringIO()
    console_for(file).print(render(given, charts=charts))
    return file.getvalue()


def as_csv(given: Answer) -> str:
    file = io.StringIO(newline="")
    write_csv(file, given)
    return file.getvalue()


def test_a_series_is_summed_up_in_one_line() -> None:
    page = on_paper(answer(A={"series": [SERIES]}))
    assert "A  2019-04-15T10:37:20Z to 2019-04-15T10:37:22.500Z, every 0:00:01.250000" in page
    line = next(line for line in page.splitlines() if "cpu" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["cpu", "host=a, zone=x", "3", "1.5", "1.75", "2", "2"]


def test_a_terminal_also_gets_a_chart_of_each_series() -> None:
    assert "▁ █" in on_paper(answer(A={"series": [SERIES]}), charts=True)
    assert not set(BARS) & set(on_paper(answer(A={"series": [SERIES]}), charts=False))


def test_points_that_go_back_in_time_have_no_step() -> None:
    page = on_paper(answer(A={"series": [{"name": "back", "points": [[1, T0 + 1000], [2, T0]]}]}))
    assert "A  2019-04-15T10:37:21Z to 2019-04-15T10:37:20Z\n" in page


@pytest.mark.parametrize(("number", "note"), [(0, "A  0 rows\n"), (1, "A  1 row\n"), (2, "A  2 rows\n")])
def test_the_rows_of_a_table_are_counted(number: int, note: str) -> None:
    assert note in on_paper(answer(A={"tables": [{"columns": [{"text": "n"}], "rows": [[1]] * number}]}))


def test_a_series_of_gaps_alone_has_no_numbers() -> None:
    page = on_paper(answer(A={"series": [{"name": "g", "points": [[None, T0]]}]}), charts=True)
    assert [cell.strip() for cell in page.splitlines()[-2].strip("│").split("│")] == [
        "g",
        "1",
        "-",
        "-",
        "-",
        "-",
        "",
    ]


def test_a_table_shows_times_as_dates_and_nothing_as_a_dash() -> None:
    page = on_paper(answer(A={"tables": [TABLE]}))
    assert "2019-04-15T10:37:20Z" in page
    assert "9007199254740993" in page
    assert r"two\nlines" in page
    assert [cell.strip() for cell in page.splitlines()[-3].strip("│").split("│")] == [
        "-",
        r"two\nlines",
        "1.25",
        "-",
    ]


def test_what_has_neither_series_nor_tables_says_so() -> None:
    assert on_paper(answer(A={}, B={"error": "broken"})).strip() == "A: no data"


def test_a_long_cell_is_not_cut_for_a_pipe() -> None:
    assert "x" * 500 in on_paper(answer(A={"tables": [{"columns": [{"text": "c"}], "rows": [["x" * 500]]}]}))


def test_text_of_a_plugin_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r") == r"a\x1b[2Jb\r"
    assert "\x1b" not in on_paper(answer(A={"series": [{"name": "\x1b[31mred", "points": []}]}))


def test_markup_in_a_name_is_text() -> None:
    assert "[red]x[/red]" in on_paper(answer(A={"series": [{"name": "[red]x[/red]", "points": []}]}))


def test_errors_are_listed_by_query() -> None:
    assert list(errors(answer(A={}, B={"error": "broken"}))) == [("B", "broken")]


def test_series_become_long_csv_with_utc_times() -> None:
    assert as_csv(answer(A={"series": [SERIES]})) == (
        "name,labels,time,value\r\n"
        'cpu,"{""zone"": ""x"", ""host"": ""a""}",2019-04-15T10:37:20Z,1.5\r\n'
        'cpu,"{""zone"": ""x"", ""host"": ""a""}",2019-04-15T10:37:21Z,\r\n'
        'cpu,"{""zone"": ""x"", ""host"": ""a""}",2019-04-15T10:37:22.500Z,2\r\n'
    )


def test_a_table_becomes_csv_that_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(answer(A={"tables": [TABLE]})), newline="")))
    assert rows == [
        ["time", "who", "n", "ok"],
        [str(T0), 'Zoë, "the" one', "9007199254740993", "true"],
        ["", "two\nlines", "1.25", ""],
        [str(T0)],
    ]


def test_several_results_name_their_query_in_the_first_column() -> None:
    one = {"series": [{"name": "s", "points": [[1, T0]]}]}
    assert as_csv(answer(A=one, B=one)).splitlines() == [
        "refId,name,labels,time,value",
        "A,s,,2019-04-15T10:37:20Z,1",
        "B,s,,2019-04-15T10:37:20Z,1",
    ]


def test_rows_of_different_kinds_do_not_share_a_csv() -> None:
    with pytest.raises(ValueError, match="one query at a time"):
        as_csv(answer(A={"series": [SERIES]}, B={"tables": [TABLE]}))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([None, None], "  "),
        ([5], "▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], BARS),
        ([7, None, 0], "█ ▁"),
        ([1.5e308, -1.5e308], "█▁"),  # a span that no double holds
        ([1.5e308] * 64, "▁" * 32),
        ([0] * 100 + [1] * 100, "▁" * 16 + "█" * 16),
    ],
)
def test_a_sparkline_is_as_long_as_its_values_up_to_its_width(values: list[float | None], line: str) -> None:
    assert sparkline(values, 32) == line


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="results"):
        read_answer(b'{"results": 3}')
