"""Which type of the data plane fits frames that have none.

Only what fits beyond doubt: a type changes what alert rules and panels make of a frame.

Source: grafana.com/developers/dataplane, and the readers of grafana/dataplane, sdata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from graftage.data.frame import Field, FieldType, Frame

# What these say about a frame goes beyond its columns: an annotation is no set of numbers.
_OTHER_PURPOSES: Final = frozenset(("dataTopic", "preferredVisualisationPluginId", "channel"))
# Rules and panels look at each number of a set by itself; a longer table is a table.
_MOST_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Content:
    """The fields of a frame by what they hold. others: JSON and enums."""

    times: tuple[Field, ...]
    numbers: tuple[Field, ...]
    bools: tuple[Field, ...]
    texts: tuple[Field, ...]
    others: tuple[Field, ...]
    rows: int

    @property
    def values(self) -> tuple[Field, ...]:
        return self.numbers + self.bools


def content_of(frame: Frame) -> Content:
    def of(*kinds: FieldType) -> tuple[Field, ...]:
        return tuple(field for field in frame.fields if field.type in kinds)

    return Content(
        of(FieldType.TIME),
        tuple(field for field in frame.fields if field.type.is_number),
        of(FieldType.BOOL),
        of(FieldType.STRING),
        of(FieldType.JSON, FieldType.ENUM),
        len(frame),
    )


def kind_of(frames: Sequence[Frame]) -> str | None:
    """The type that fits frames without a type; None if none does, or if they are for something else."""
    if not frames or any(not frame.fields or _is_special(frame.meta or {}) for frame in frames):
        return None
    contents = [content_of(frame) for frame in frames]
    if any(content.others for content in contents) or not _are_distinct(contents):
        return None
    return next((kind for kind, fits in _FITS.items() if fits(contents)), None)


def _is_special(meta: Mapping[str, object]) -> bool:
    """Does the author want something else than a graph, such as a trace?"""
    shown = meta.get("preferredVisualisationType", "graph")
    return shown != "graph" or not _OTHER_PURPOSES.isdisjoint(meta)


def _are_distinct(contents: Sequence[Content]) -> bool:
    """Does each value field have a name and labels of its own?"""
    names = [
        (field.name, frozenset((field.labels or {}).items()))
        for content in contents
        for field in content.values
    ]
    return len(set(names)) == len(names)


def _are_multi(contents: Sequence[Content]) -> bool:
    return all(_is_series(content) and len(content.values) == 1 for content in contents)


def _are_wide(contents: Sequence[Content]) -> bool:
    """Bools beside numbers could as well be dimensions."""
    return len(contents) == 1 and _is_series(contents[0]) and not (contents[0].numbers and contents[0].bools)


def _is_series(content: Content) -> bool:
    return bool(not content.texts and content.values) and _has_times(content, strictly=True)


def _are_long(contents: Sequence[Content]) -> bool:
    content = contents[0]
    some = content.numbers and content.texts and not content.bools
    return bool(len(contents) == 1 and some) and _has_times(content, strictly=False)


def _are_single_numbers(contents: Sequence[Content]) -> bool:
    """Readers skip bools in `numeric-wide`."""
    content = contents[0]
    others = content.times or content.bools or content.texts
    return len(contents) == 1 and bool(content.numbers) and content.rows <= 1 and not others


def _are_numbers(contents: Sequence[Content]) -> bool:
    return all(
        len(content.values) == 1 and content.rows <= 1 and not (content.times or content.texts)
        for content in contents
    )


def _are_items(contents: Sequence[Content]) -> bool:
    content = contents[0]
    some = content.numbers and content.texts and not (content.times or content.bools)
    if len(contents) > 1 or not some or content.rows > _MOST_ITEMS:
        return False
    rows = zip(*(np.where(field.present(), field.values, "") for field in content.texts), strict=True)
    return len(set(rows)) == content.rows


_FITS: Final[Mapping[str, Callable[[Sequence[Content]], bool]]] = {
    "timeseries-multi": _are_multi,
    "timeseries-wide": _are_wide,
    "timeseries-long": _are_long,
    "numeric-wide": _are_single_numbers,
    "numeric-multi": _are_numbers,
    "numeric-long": _are_items,
}


def _has_times(content: Content, *, strictly: bool) -> bool:
    return len(content.times) == 1 and ascends(content.times[0], strictly=strictly)


def ascends(time: Field, *, strictly: bool) -> bool:
    """Do the times ascend, and is none missing? strictly: also, does none occur twice?"""
    steps = np.diff(time.values.view(np.int64))
    return bool(time.present().all() and (steps > 0 if strictly else steps >= 0).all())
