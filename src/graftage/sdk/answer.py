"""What a handler returned, as the result that travels to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any

import msgspec

from graftage.backend.query import Result
from graftage.data.columns import frame_from_columns
from graftage.data.frame import Frame
from graftage.data.legacy import frame_to_legacy
from graftage.data.series import Series
from graftage.data.table import Table
from graftage.errors import PluginFault
from graftage.sdk.response import Response

ACCEPTED = "a Frame, a Series, a Table, a list of these, a dict of columns, a Response, or None"
DATA_FRAME_METHODS = ("__arrow_c_stream__", "__dataframe__")  # how libraries hand data frames to each other


def result_of(ref_id: str, returned: object) -> Result:
    """The result to send for what a handler returned.

    Raises PluginFault when it is nothing that can be sent, and ValueError for columns that do not fit.
    """
    if not isinstance(returned, Response):
        returned = Response(returned)
    parts = [_parts(item, returned.frames) for item in _items(returned.frames)]
    return Result(
        ref_id,
        error=returned.error,
        meta_json="" if returned.meta is None else _meta_json(returned.meta),
        series=tuple(chain.from_iterable(series for series, _ in parts)),
        tables=tuple(chain.from_iterable(tables for _, tables in parts)),
    )


def _items(frames: object) -> Sequence[object]:
    match frames:
        case None:
            return ()
        case list() | tuple():
            return frames
        case Mapping():
            return (frame_from_columns(frames),)
        case _:
            return (frames,)


def _parts(item: object, frames: object) -> tuple[Sequence[Series], Sequence[Table]]:
    """The series and tables of one item of `frames`, which may be the item itself."""
    match item:
        case Series():
            return (item,), ()
        case Table():
            return (), (item,)
        case Frame():
            return frame_to_legacy(item)
        case _:
            holder = "" if item is frames else f"{_named(frames)} that holds "
            raise PluginFault(
                f"the handler returned {holder}{_named(item)}{_hint(item)}; it can return {ACCEPTED}"
            )


def _named(value: object) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _hint(item: object) -> str:
    """What is behind the mistake, or the way out of it, for the kinds of things that authors try."""
    kind = type(item)  # asked instead of the item: a data frame takes its columns for attributes
    if hasattr(kind, "__anext__") or hasattr(kind, "send"):
        return ", which yields its data piece by piece"
    if isinstance(item, Mapping):
        columns = ", ".join([f'"{name}": [...]' for name in islice(item, 3)] + ["..."] * (len(item) > 3))
        return f" (turn rows into columns: {{{columns}}})"
    if kind.__name__ == "DataFrame" or any(hasattr(kind, name) for name in DATA_FRAME_METHODS):
        return " (give its columns: {name: df[name].to_numpy() for name in df.columns})"
    return ""


def _meta_json(meta: object) -> str:
    try:
        return msgspec.json.encode(meta, enc_hook=_plain).decode()
    except (TypeError, ValueError) as error:
        raise PluginFault(f"the handler's meta cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON value")
