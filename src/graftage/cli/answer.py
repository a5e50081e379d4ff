"""An answer of `/api/ds/query`, as far as it is shown.

It is read from JSON and not from the structs behind it, so that what a server sent over HTTP and what a
plugin answered directly look the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

_TIME = "time"
_NUMBER = "number"


class Config(msgspec.Struct, frozen=True, rename="camel"):
    """How a field wants to be shown."""

    display_name: str = ""
    display_name_from_ds: str = msgspec.field(default="", name="displayNameFromDS")


class Field(msgspec.Struct, frozen=True):
    """A column without its values."""

    name: str = ""
    type: str = ""
    labels: Mapping[str, str] = {}
    config: Config = Config()

    @property
    def is_time(self) -> bool:
        return self.type == _TIME

    @property
    def is_number(self) -> bool:
        return self.type == _NUMBER

    @property
    def shown_name(self) -> str:
        return self.config.display_name_from_ds or self.config.display_name or self.name


class Schema(msgspec.Struct, frozen=True):
    """What a frame is called, and its fields."""

    name: str = ""
    fields: tuple[Field, ...] = ()


class Data(msgspec.Struct, frozen=True):
    """The values, column by column; numbers that JSON cannot hold are None."""

    values: tuple[tuple[object, ...], ...] = ()


class Frame(msgspec.Struct, frozen=True):
    """A table: one tuple of values for each field, all equally long."""

    schema: Schema = Schema()
    data: Data = Data()

    def __post_init__(self) -> None:
        if len(self.schema.fields) != len(self.data.values) or len(set(map(len, self.data.values))) > 1:
            raise ValueError(
                f"the frame {self.schema.name!r} has columns of different lengths, or lacks some"
            )

    def __len__(self) -> int:
        return len(self.data.values[0]) if self.data.values else 0


class Result(msgspec.Struct, frozen=True):
    """What came back under one `ref_id`."""

    error: str = ""
    frames: tuple[Frame, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """The whole answer; `results` in the order in which they were sent."""

    results: Mapping[str, Result] = {}
    message: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One value field of a time series, a gap as None. times: in milliseconds."""

    name: str
    labels: Mapping[str, str]
    times: tuple[object, ...]
    values: tuple[float | None, ...]


_decoder = msgspec.json.Decoder(Answer)


def read_answer(body: bytes) -> Answer:
    """Raises ValueError for anything else than an answer."""
    return _decoder.decode(body)


def series_of(frame: Frame) -> Iterator[Series]:
    """A series for each field beside the times; none if the frame is anything else than times and numbers."""
    fields, columns = frame.schema.fields, frame.data.values
    times = [column for field, column in zip(fields, columns, strict=True) if field.is_time]
    values = [(field, column) for field, column in zip(fields, columns, strict=True) if field.is_number]
    if len(times) != 1 or len(times) + len(values) < len(fields):
        return
    for field, column in values:
        alone = len(values) == 1 and field.shown_name == field.name
        yield Series(
            (frame.schema.name if alone else "") or field.shown_name,
            field.labels,
            times[0],
            tuple(value if isinstance(value, int | float) else None for value in column),
        )


def is_series(frame: Frame) -> bool:
    return next(series_of(frame), None) is not None


def errors(answer: Answer) -> Iterator[tuple[str, str]]:
    """The queries that failed: `ref_id` and the error's text."""
    return ((ref_id, result.error) for ref_id, result in answer.results.items() if result.error)
