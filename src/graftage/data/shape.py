"""The shapes of time series in frames, by the types of their fields.

    wide  time, cpu {host=a}, cpu {host=b}    a series for each value field, told apart by labels
    long  time, host, cpu                     a series for each combination of what texts and bools say
    not   everything else

Source: grafana-plugin-sdk-go, data/time_series.go (`TimeSeriesSchema`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graftage.data.frame import Field, FieldType, Frame

_FACTORS: Final = (FieldType.STRING, FieldType.BOOL)


class Shape(StrEnum):
    """What kind of time series a frame is, if any."""

    NOT = "not"
    WIDE = "wide"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Parts:
    """The fields of a frame by what they are to a time series.

    time: the first field of times; further ones are values. factors: texts and bools.
    """

    time: Field | None
    factors: tuple[Field, ...]
    values: tuple[Field, ...]

    @property
    def shape(self) -> Shape:
        if self.time is None or not self.values:
            return Shape.NOT
        return Shape.LONG if self.factors else Shape.WIDE


def parts_of(frame: Frame) -> Parts:
    """The fields of a frame, each in one of the parts and in their order."""
    time = next((field for field in frame.fields if field.type is FieldType.TIME), None)
    rest = [field for field in frame.fields if field is not time]
    return Parts(
        time,
        tuple(field for field in rest if field.type in _FACTORS),
        tuple(field for field in rest if field.type not in _FACTORS),
    )


def shape_of(frame: Frame) -> Shape:
    """The shape of a frame. One of times and bools alone is no time series: it has no values."""
    return parts_of(frame).shape
