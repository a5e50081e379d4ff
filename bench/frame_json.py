"""The JSON of a frame of a million rows, against what orjson does with the bare columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.number import Number
from bench.ratio import ratio
from graftage.backend.query import Result
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.frame_json import read_frame_json, write_frame_json
from graftage.query.frames_json import encode_frames_answer, frames_results

ROWS = 1_000_000


def frame_json() -> list[Number]:
    steps = np.arange(ROWS)
    waves = np.sin(steps / 10) * 100
    numbers = [
        _written("time and numbers", Field("value", FieldType.FLOAT64, waves), 2.5),
        _written("time and whole numbers", Field("value", FieldType.FLOAT64, np.round(waves))),
        _written("a third missing", Field("value", FieldType.FLOAT64, waves, steps % 3 > 0)),
        _written("numbers from 1e-6 to 1e-5", Field("value", FieldType.FLOAT64, 2e-6 + np.abs(waves) * 1e-8)),
    ]
    wave = Field("value", FieldType.FLOAT64, waves)
    return [*numbers, _answered(wave), _read(wave)]


def _written(name: str, field: Field, target: float | None = None) -> Number:
    frame = _frame(field)
    if len(read_frame_json(_text(frame))) != ROWS:
        raise RuntimeError(f"frame JSON does not read back what it wrote: {name}")
    return ratio(f"frame JSON, {name} / orjson", partial(_text, frame), _bare(frame), target)


def _answered(field: Field) -> Number:
    """All that the host does: from a plugin's Arrow file to the body over HTTP."""
    frame = _frame(field)
    result = Result("A", arrow=(write_arrow(frame),))

    def answer() -> bytes:
        return b"".join(encode_frames_answer(frames_results([result])))

    return ratio("Arrow to the answer's JSON / orjson", answer, _bare(frame), 2.5)


def _read(field: Field) -> Number:
    text = _text(_frame(field))
    return ratio("frame JSON, read / orjson", partial(read_frame_json, text), partial(orjson.loads, text))


def _frame(field: Field) -> Frame:
    return Frame(
        (Field("time", FieldType.TIME, _milliseconds().astype("datetime64[ms]").astype("M8[ns]")), field)
    )


def _milliseconds() -> NDArray[np.int64]:
    return 1_700_000_000_000 + 1000 * np.arange(ROWS)


def _text(frame: Frame) -> bytes:
    return b"".join(write_frame_json(frame))


def _bare(frame: Frame) -> Callable[[], Any]:
    columns = [_milliseconds(), frame.fields[1].values]
    return lambda: [orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY) for column in columns]
