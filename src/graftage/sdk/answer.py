"""What a handler returned, understood: frames, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from graftage.data.frame import Frame
from graftage.data.frame_meta import read_meta
from graftage.data.intake import frame_from, is_arrow
from graftage.data.legacy import series_to_frame
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.data.table_frame import table_to_frame
from graftage.errors import PluginFault
from graftage.sdk.failure import INTERNAL, OK, PLUGIN, source_by_status
from graftage.sdk.response import Notice, Response
from graftage.sdk.written_json import write_json

ACCEPTED = (
    "a Frame, a data frame of any library, a dict of columns, a list of dicts (one for each row), a Series, "
    "a Table, a list of these, a Response, or None"
)
ERRORS_FROM = 400  # among the statuses of HTTP

Item: TypeAlias = Frame | Series | Table


@dataclass(frozen=True, slots=True)
class Answer:
    """meta_json: what the author's meta says, as JSON; empty for none. frame_meta: that part of it which
    Grafana knows as metadata of frames. status: by the codes of HTTP. source: whose fault the error is."""

    items: tuple[Item, ...] = ()
    meta_json: str = ""
    frame_meta: Mapping[str, object] = field(default_factory=dict)
    notices: tuple[Mapping[str, object], ...] = ()
    error: str = ""
    status: int = OK
    source: str = ""

    def frames(self) -> tuple[Frame, ...]:
        """The items as frames, with the metadata that they do not have themselves."""
        frames = tuple(_frame_of(item) for item in self.items)
        if not self.frame_meta:
            return frames
        return tuple(replace(frame, meta={**self.frame_meta, **(frame.meta or {})}) for frame in frames)

    def followed_by(self, later: Answer) -> Answer:
        """What two pieces of an answer say together."""
        failed = later if later.error else self
        return Answer(
            (*self.items, *later.items),
            later.meta_json or self.meta_json,
            {**self.frame_meta, **later.frame_meta},
            (*self.notices, *later.notices),
            failed.error,
            failed.status,
            failed.source,
        )


def answer_of(returned: object) -> Answer:
    """Raises PluginFault for what is no answer, and ValueError naming the column that fits into no frame."""
    response = returned if isinstance(returned, Response) else Response(returned)
    status = response.status or (INTERNAL if response.error else OK)
    blamed = source_by_status(status) if response.status >= ERRORS_FROM else PLUGIN
    return Answer(
        tuple(_item(item, response.frames) for item in _items(response.frames)),
        "" if response.meta is None else write_json(response.meta, what="the handler's meta").decode(),
        _frame_meta(response.meta),
        tuple(_notice(notice) for notice in response.notices),
        response.error,
        status,
        blamed if response.error else "",
    )


def _items(frames: object) -> Sequence[object]:
    match frames:
        case None:
            return ()
        case [Mapping(), *_] if not _are_columns(frames[0]):
            return (frames,)  # rows
        case list() | tuple():
            return frames
        case _:
            return (frames,)


def _are_columns(item: object) -> bool:
    """Does a dict in a list hold columns? Else it is a row."""
    return isinstance(item, Mapping) and bool(item) and all(map(_is_column, item.values()))


def _is_column(value: object) -> bool:
    is_array = hasattr(type(value), "__array__") and getattr(value, "ndim", 1) > 0  # NumPy's numbers have 0
    return is_array or isinstance(value, list | tuple)


def _item(item: object, frames: object) -> Item:
    """An item of `frames`, which may be the item itself."""
    if isinstance(item, Frame | Series | Table):
        return item
    is_rows = isinstance(item, list | tuple) and item is frames
    is_structured = isinstance(item, np.ndarray) and item.dtype.names is not None
    if is_rows or is_structured or isinstance(item, Mapping) or is_arrow(item):
        return frame_from(item)
    holder = "" if item is frames else f"{_named(frames)} that holds "
    raise PluginFault(f"the handler returned {holder}{_named(item)}{_hint(item)}; it can return {ACCEPTED}")


def _frame_of(item: Item) -> Frame:
    match item:
        case Series():
            # Grafana tells series apart by the names of their fields, and shows these.
            time, value = series_to_frame(item).fields
            return Frame((time, replace(value, name=item.name)))
        case Table():
            return replace(table_to_frame(item), meta={"type": "table"})  # even if it has times and numbers
        case _:
            return item


def _named(value: object) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _hint(item: object) -> str:
    """What is behind the mistake, or the way out of it, for the kinds of things that authors try."""
    kind = type(item)  # asked instead of the item: a data frame takes its columns for attributes
    if hasattr(kind, "__anext__") or hasattr(kind, "send"):
        return ", which yields its data piece by piece"
    if kind.__name__ == "DataFrame":
        return " (give its columns: {name: df[name].to_numpy() for name in df.columns})"
    if hasattr(kind, "collect"):
        return " (call its .collect() first)"
    return ""


def _notice(notice: str | Notice) -> Mapping[str, object]:
    if isinstance(notice, str):
        notice = Notice(notice)
    said = {"severity": notice.severity, "text": notice.text}
    return {**said, "link": notice.link} if notice.link else said


def _frame_meta(meta: object) -> dict[str, object]:
    """The part of the author's meta that is metadata of frames. Raises ValueError naming a wrong key."""
    if not isinstance(meta, Mapping):
        return {}
    known = read_meta({name: value for name, value in meta.items() if isinstance(name, str)})
    return {name: value for name, value in meta.items() if name in known}
