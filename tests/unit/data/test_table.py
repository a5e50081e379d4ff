"""Cells of many kinds in arrays."""

from __future__ import annotations

import numpy as np
import pytest

from graftage.data.table import CellKind, Table

ROWS = [(None, 2.5, 1, True, "a", b"b"), (), ("x",), (2**63, np.float32(0.5), np.int8(-1), np.bool_(False))]


def test_rows_come_back_as_they_were_given() -> None:
    table = Table.of(["a", "a"], ROWS)
    assert list(table.rows()) == [tuple(row) for row in ROWS]
    assert (len(table), table.columns) == (4, ("a", "a"))


def test_numbers_are_kept_in_arrays_by_kind() -> None:
    table = Table.of(["a"], ROWS)
    assert table.kinds.tolist()[:6] == [kind.value for kind in CellKind]
    assert table.doubles.tolist() == [2.5, 2.0**63, 0.5]
    assert table.integers.tolist() == [1, -1]
    assert table.widths.tolist() == [6, 0, 1, 4]


def test_a_value_of_another_type_is_no_cell() -> None:
    with pytest.raises(ValueError, match=r"a cell cannot hold list \[1\]"):
        Table.of(["a"], [[[1]]])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"widths": np.array([2])}, "rows have 2 cells, but there are 0 kinds"),
        ({"widths": np.array([1]), "kinds": np.array([1], np.uint8)}, "1 cells of DOUBLE, but 0 values"),
        ({"texts": ("a",)}, "0 cells of STRING, but 1 values"),
        ({"widths": np.array([1]), "kinds": np.array([6], np.uint8)}, "kind 6"),
    ],
)
def test_a_table_that_does_not_add_up_is_refused(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Table(**arguments)  # type: ignore[arg-type] # on purpose
