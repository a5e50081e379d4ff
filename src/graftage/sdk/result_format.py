"""What a query of an SQL data source asks its rows to be: the `format` of its model.

Source: grafana/grafana-plugin-sdk-go, data/sqlutil/query.go (`FormatQueryOption`); grafana/sqlds, query.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Final

from graftage.data.frame import FieldType, Frame
from graftage.data.long_wide import Fill, long_to_wide
from graftage.data.shape import Shape, shape_of
from graftage.sdk.errors import DownstreamError


class ResultFormat(IntEnum):
    """The numbers are those of stored queries, which may have the names in their place."""

    TIME_SERIES = 0
    TABLE = 1
    LOGS = 2
    TRACES = 3
    MULTI = 4

    @classmethod
    def of(cls, value: object) -> ResultFormat:
        """The format that a model names by number or text; nothing means time series.

        Raises DownstreamError for anything else: whoever wrote the query has to change it.
        """
        known = _NAMES.get(str(value).strip().lower()) if isinstance(value, str | int) else None
        if value is None or known is not None:
            return known or cls.TIME_SERIES
        raise DownstreamError(
            f"the format {value!r} is not known; expected one of {', '.join(_SHOWN)}", status=400
        )


_SHOWN: Final = ("timeseries", "table", "logs", "traces", "multi")
_NAMES: Final[Mapping[str, ResultFormat]] = {
    "": ResultFormat.TIME_SERIES,
    **{str(number): ResultFormat(number) for number in range(len(_SHOWN))},
    **{name: ResultFormat(number) for number, name in enumerate(_SHOWN)},
}
_VISUALISATIONS: Final = {
    ResultFormat.TABLE: "table",
    ResultFormat.LOGS: "logs",
    ResultFormat.TRACES: "trace",
}


def arranged(frame: Frame, result_format: ResultFormat, fill: Fill = "null") -> tuple[Frame, ...]:
    """The rows of a query as its format wants them.

    Time series: long ones become wide (fill: what stands where a series has no value), others stay. Multi:
    the same, with a frame for each series. The others say which visualisation suits them. Raises ValueError
    where times are missing or do not ascend.
    """
    if result_format in _VISUALISATIONS:
        kind = _VISUALISATIONS[result_format]
        return (replace(frame, meta={"preferredVisualisationType": kind, **(frame.meta or {})}),)
    is_long = shape_of(frame) is Shape.LONG and bool(len(frame.fields[0]))
    wide = replace(long_to_wide(frame, fill), ref_id=frame.ref_id) if is_long else frame
    if result_format is not ResultFormat.MULTI or shape_of(wide) is not Shape.WIDE:
        return (wide,)
    time = next(field for field in wide.fields if field.type is FieldType.TIME)
    meta = {**(wide.meta or {}), "type": "timeseries-multi", "typeVersion": [0, 1]}
    return tuple(replace(wide, fields=(time, field), meta=meta) for field in wide.fields if field is not time)
