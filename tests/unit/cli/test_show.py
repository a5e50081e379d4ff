from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from graftage.cli.answer import Answer, errors, read_answer
from graftage.cli.show import BARS, console_for, printable, render, sparkline, write_csv

T0 = 1555324640000  # 2019-04-15T10:37:20Z


def frame(name: str, *columns: tuple[dict[str, Any], list[Any]]) -> dict[str, Any]:
    """A frame as JSON. columns: what is said of each field, and its values."""
    fields, values = [field for field, _ in columns], [column for _, column in columns]
    return {"schema": {"name": name, "fields": fields}, "data": {"values": values}}


def time(name: str = "time") -> dict[str, Any]:
    return {"name": name, "type": "time"}


def number(name: str = "value", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "number", **more}


def series(name: str, *points: tuple[float | None, int], **labels: str) -> dict[str, Any]:
    times = [moment for _, moment in points]
    return frame(name, (time(), times), (number(labels=labels), [value for value, _ in points]))


CPU = series("cpu", (1.5, T0), (None, T0 + 1000), (2, T0 + 2500), zone="x", host="a")
TABLE = frame(
    "",
    (time("when"), [T0, None]),
    ({"name": "who", "type": "string"}, ['Zoë, "the" one', "two\nlines"]),
    (number("n"), [9007199254740993, 1.25]),
    ({"name": "ok", "type": "boolean"}, [True, None]),
)


def answer(**results: Any) -> Answer:
    """results: frames, or an error."""
    body = {
        ref_id: {"error": one, "frames": []} if isinstance(one, str) else {"status": 200, "frames": one}
        for ref_id, one in results.items()
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
    page = on_paper(answer(A=[CPU]))
    assert "A  2019-04-15T10:37:20Z to 2019-04-15T10:37:22.500Z, every 0:00:01.250000" in page
    line = next(line for line in page.splitlines() if "cpu" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["cpu", "host=a, zone=x", "3", "1.5", "1.75", "2", "2"]


def test_a_terminal_also_gets_a_chart_of_each_series() -> None:
    assert "▁ █" in on_paper(answer(A=[CPU]), charts=True)
    assert not set(BARS) & set(on_paper(answer(A=[CPU]), charts=False))


def test_points_that_go_back_in_time_have_no_step() -> None:
    page = on_paper(answer(A=[series("back", (1, T0 + 1000), (2, T0))]))
    assert "A  2019-04-15T10:37:21Z to 2019-04-15T10:37:20Z\n" in page


@pytest.mark.parametrize(("count", "note"), [(0, "A  0 rows\n"), (1, "A  1 row\n"), (2, "A  2 rows\n")])
def test_the_rows_of_a_table_are_counted(count: int, note: str) -> None:
    assert note in on_paper(answer(A=[frame("", (number("n"), [1] * count))]))


def test_a_series_of_gaps_alone_has_no_numbers() -> None:
    page = on_paper(answer(A=[series("g", (None, T0))]), charts=True)
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
    page = on_paper(answer(A=[TABLE]))
    assert "2019-04-15T10:37:20Z" in page
    assert "9007199254740993" in page
    assert r"two\nlines" in page
    assert [cell.strip() for cell in page.splitlines()[-2].strip("│").split("│")] == [
        "-",
        r"two\nlines",
        "1.25",
        "-",
    ]


def test_what_has_no_frames_says_so() -> None:
    assert on_paper(answer(A=[], B="broken")).strip() == "A: no data"


def test_a_long_cell_is_not_cut_for_a_pipe() -> None:
    assert "x" * 500 in on_paper(answer(A=[frame("", ({"name": "c", "type": "string"}, ["x" * 500]))]))


def test_text_of_a_plugin_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r") == r"a\x1b[2Jb\r"
    assert "\x1b" not in on_paper(answer(A=[series("\x1b[31mred")]))


def test_markup_in_a_name_is_text() -> None:
    assert "[red]x[/red]" in on_paper(answer(A=[series("[red]x[/red]")]))


def test_errors_are_listed_by_query() -> None:
    assert list(errors(answer(A=[], B="broken"))) == [("B", "broken")]


def test_the_value_fields_of_a_frame_are_series_by_their_own_names() -> None:
    fields = [(time(), [T0]), (number("a"), [1]), (number("b", config={"displayName": "B!"}), [None])]
    assert as_csv(answer(A=[frame("wide", *fields)])).splitlines()[1:] == [
        "a,,2019-04-15T10:37:20Z,1",
        "B!,,2019-04-15T10:37:20Z,",
    ]


def test_a_table_tells_its_name_and_columns_of_one_name_apart() -> None:
    columns = [(number("n", labels={"host": host}), [1]) for host in "ab"]
    page = on_paper(answer(A=[frame("now", *columns)]))
    assert "A  now, 1 row\n" in page
    assert "n {host=a}" in page
    assert "n {host=b}" in page


def test_values_inside_json_stay_json() -> None:
    logs = frame("", ({"name": "labels", "type": "other"}, [{"a": [1, None]}]))
    assert as_csv(answer(A=[logs])) == 'labels\r\n"{""a"": [1, null]}"\r\n'


def test_frames_without_fields_are_no_data() -> None:
    assert on_paper(answer(A=[{"schema": {"fields": []}, "data": {"values": []}}])) == "A: no data\n"


def test_series_become_long_csv_with_utc_times() -> None:
    assert as_csv(answer(A=[CPU])) == (
        "name,labels,time,value\r\n"
        'cpu,"{""zone"": ""x"", ""host"": ""a""}",2019-04-15T10:37:20Z,1.5\r\n'
        'cpu,"{""zone"": ""x"", ""host"": ""a""}",2019-04-15T10:37:21Z,\r\n'
        'cpu,"{""zone"": ""x"", ""host"": ""a""}",2019-04-15T10:37:22.500Z,2\r\n'
    )


def test_a_table_becomes_csv_that_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(answer(A=[TABLE])), newline="")))
    assert rows == [
        ["when", "who", "n", "ok"],
        ["2019-04-15T10:37:20Z", 'Zoë, "the" one', "9007199254740993", "true"],
        ["", "two\nlines", "1.25", ""],
    ]


def test_several_results_name_their_query_in_the_first_column() -> None:
    one = [series("s", (1, T0))]
    assert as_csv(answer(A=one, B=one)).splitlines() == [
        "refId,name,labels,time,value",
        "A,s,,2019-04-15T10:37:20Z,1",
        "B,s,,2019-04-15T10:37:20Z,1",
    ]


def test_rows_of_different_kinds_do_not_share_a_csv() -> None:
    with pytest.raises(ValueError, match="one query at a time"):
        as_csv(answer(A=[CPU], B=[TABLE]))


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
    with pytest.raises(ValueError, match="the frame 'x' has columns of different lengths"):
        answer(A=[frame("x", (time(), [1]), (number(), []))])
