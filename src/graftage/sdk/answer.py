"""What a handler returned, as the result that travels to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
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


def result_of(ref_id: str, returned: object) -> Result:
    """The result to send for what a handler returned.

    Raises PluginFault when it is nothing that can be sent, and ValueError for columns that do not fit.
    """
    if not isinstance(returned, Response):
        returned = Response(returned)
    parts = [_parts(item) for item in _items(returned.frames)]
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


def _parts(item: object) -> tuple[Sequence[Series], Sequence[Table]]:
    match item:
        case Series():
            return (item,), ()
        case Table():
            return (), (item,)
        case Frame():
            return frame_to_legacy(item)
        case _:
            raise PluginFault(f"the handler returned {_described(item)}; it can return {ACCEPTED}")


def _described(item: object) -> str:
    kind = type(item)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    hint = (
        ", which yields its data piece by piece"
        if hasattr(item, "__anext__") or hasattr(item, "send")
        else ""
    )
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{hint}"


def _meta_json(meta: object) -> str:
    try:
        return msgspec.json.encode(meta, enc_hook=_plain).decode()
    except (TypeError, ValueError) as error:
        raise PluginFault(f"the handler's meta cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON value")
