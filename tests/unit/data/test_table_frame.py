"""Tables as frames."""

from __future__ import annotations

import time

import numpy as np
import pytest

from graftage.data.frame import FieldType
from graftage.data.table import Table
from graftage.data.table_frame import table_to_frame


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ([1, None], FieldType.INT64, [1]),
        ([1, 2.5], FieldType.FLOAT64, [1.0, 2.5]),
        ([True, False], FieldType.BOOL, [True, False]),
        (["a", None], FieldType.STRING, ["a"]),
        ([b"hello"], FieldType.STRING, ["aGVsbG8="]),
        ([1, "a", True, 0.5], FieldType.STRING, ["1", "a", "true", "0.5"]),
        ([None], FieldType.STRING, []),
    ],
)
def test_the_cells_of_a_column_decide_its_type(
    cells: list[object], kind: FieldType, values: list[object]
) -> None:
    (field,) = table_to_frame(Table.of(["x"], [[cell] for cell in cells])).fields
    assert field.type is kind
    assert field.values[field.present()].tolist() == values


def test_numbers_under_a_column_of_times_are_milliseconds() -> None:
    frame = table_to_frame(Table.of(["Time", "date"], [[1500, "soon"], [None, "late"]]))
    assert [field.type for field in frame.fields] == [FieldType.TIME, FieldType.STRING]
    assert frame.fields[0].values[0] == np.datetime64("1970-01-01T00:00:01.5")
    assert frame.fields[0].present().tolist() == [True, False]
    (far,) = table_to_frame(Table.of(["time"], [[2**60]])).fields
    assert far.type is FieldType.INT64, "beyond the years of nanoseconds it stays a number"


def test_rows_of_different_lengths_leave_cells_missing() -> None:
    frame = table_to_frame(Table.of(["a"], [[1], [], [2, 3]]))
    assert [field.name for field in frame.fields] == ["a", ""]
    assert [field.present().tolist() for field in frame.fields] == [[True, False, True], [False, False, True]]
    assert frame.fields[1].values.tolist() == [0, 0, 3]


def test_a_table_may_be_of_many_columns() -> None:
    """Ten seconds would pass if each column looked at the cells of all the others."""
    began = time.process_time()
    frame = table_to_frame(Table.of([], [[f"cell {number}" for number in range(10_000)]]))
    assert [field.values.tolist() for field in frame.fields[-2:]] == [["cell 9998"], ["cell 9999"]]
    assert time.process_time() - began < 4


def test_one_long_row_among_many_short_ones_does_not_take_all_memory() -> None:
    widths = np.zeros(100_000, np.int64)
    widths[0] = 1_000
    table = Table(widths=widths, kinds=np.zeros(1_000, np.uint8))
    with pytest.raises(ValueError, match="100000 rows of up to 1000 cells, but only 1000 cells in all"):
        table_to_frame(table)
