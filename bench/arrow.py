"""Frames as Arrow files against copying the same bytes, which nobody does faster."""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.number import Number
from bench.ratio import ratio
from graftage.data.arrow.reader import read_arrow
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame

ROWS = 1_000_000


def arrow() -> list[Number]:
    frame = _frame()
    file = write_arrow(frame)
    if not _same(read_arrow(file), frame):
        raise RuntimeError("the Arrow codec does not read back what it wrote")
    columns = [field.values.view(np.uint8).data for field in frame.fields]
    copied = b"".join(columns)
    return [
        ratio(
            "Arrow writer, a million rows / memcpy",
            partial(write_arrow, frame),
            partial(b"".join, columns),
            3,
        ),
        ratio(
            "Arrow reader, a million rows / memcpy", partial(read_arrow, file), partial(bytearray, copied), 2
        ),
    ]


def _frame() -> Frame:
    steps = np.arange(ROWS)
    times = (1_700_000_000_000_000_000 + 1_000_000_000 * steps).view("M8[ns]")
    return Frame(
        (
            Field("time", FieldType.TIME, times),
            Field("value", FieldType.FLOAT64, np.sin(steps / 10) * 100, labels={"host": "a"}),
        ),
        "load",
        "A",
    )


def _same(one: Frame, other: Frame) -> bool:
    return all(
        np.array_equal(left.values, right.values)
        for left, right in zip(one.fields, other.fields, strict=True)
    )
