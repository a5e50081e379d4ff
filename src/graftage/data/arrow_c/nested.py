"""How any column is read: those of lists, structs and maps as JSON text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from graftage.data.arrow_c.chunk import VALUES, Chunk
from graftage.data.arrow_c.reading import Reading, reading_of, type_of
from graftage.data.arrow_c.structs import ArrowSchema, ArrowType
from graftage.data.frame import FieldType
from graftage.data.json_text import json_text

Objects = Callable[[Chunk], list[Any]]  # for each row what JSON can say, or None

_NESTED: Final = frozenset({"list", "large_list", "fixed_size_list", "struct", "map"})
_OFFSETS: Final = {"list": np.int32, "map": np.int32, "large_list": np.int64}


def column_reading(name: str, schema: ArrowSchema, *, json: bool = False) -> Reading:
    """How the column `name` is read. json: what it holds is JSON, as text or bytes.

    Raises ValueError naming the column and its Arrow type, if it, or something in it, cannot be read.
    """
    if type_of(name, schema).type not in _NESTED:
        return reading_of(name, schema, json=json)
    objects = _objects(name, schema)

    def values(chunk: Chunk) -> NDArray[Any]:
        texts = np.empty(chunk.length, object)
        texts[:] = [json_text(name, value) for value in objects(chunk)]
        return texts

    return Reading(FieldType.JSON, values)


def _objects(name: str, schema: ArrowSchema) -> Objects:
    kind = type_of(name, schema)
    if kind.type not in _NESTED:
        return _plain(reading_of(name, schema))
    children = [schema.child(index) for index in range(schema.n_children)]
    match kind.type:
        case "struct":
            return _structs([child.name for child in children], [_objects(name, child) for child in children])
        case "map":
            keys, values = (_objects(name, children[0].child(index)) for index in (0, 1))
            return _lists(_entries(keys, values), _bounds(kind), dict)
        case _:
            return _lists(_objects(name, children[0]), _bounds(kind), list)


def _plain(reading: Reading) -> Objects:
    def objects(chunk: Chunk) -> list[Any]:
        values, valid = reading.values(chunk), reading.valid(chunk)
        match reading.type:
            case FieldType.TIME:
                items: list[Any] = _printed(values)
            case FieldType.JSON:
                items = [msgspec.Raw(text) for text in values]
            case _:
                items = values.tolist()
        return _with_gaps(items, valid)

    return objects


def _structs(names: list[str], members: list[Objects]) -> Objects:
    def objects(chunk: Chunk) -> list[Any]:
        columns = [member(chunk.child(index)) for index, member in enumerate(members)]
        rows = zip(*columns, strict=True) if columns else [()] * chunk.length
        return _with_gaps([dict(zip(names, row, strict=True)) for row in rows], chunk.valid())

    return objects


def _entries(keys: Objects, values: Objects) -> Objects:
    def objects(chunk: Chunk) -> list[Any]:
        return list(zip(keys(chunk.child(0)), values(chunk.child(1)), strict=True))

    return objects


def _lists(
    items: Objects, bounds: Callable[[Chunk], NDArray[np.int64]], made: Callable[[list[Any]], object]
) -> Objects:
    def objects(chunk: Chunk) -> list[Any]:
        ends = bounds(chunk)
        first = int(ends[0])
        found = items(chunk.items(0, first, int(ends[-1])))
        ends = (ends - first).tolist()
        lists = [made(found[start:stop]) for start, stop in pairwise(ends)]
        return _with_gaps(lists, chunk.valid())

    return objects


def _bounds(kind: ArrowType) -> Callable[[Chunk], NDArray[np.int64]]:
    """Where each list begins and ends in the child: one more number than lists."""
    if kind.type == "fixed_size_list":
        size = kind.fixed_size
        return lambda chunk: (chunk.start + np.arange(chunk.length + 1)) * size
    offsets = _OFFSETS[kind.type]
    return lambda chunk: chunk.rows(VALUES, offsets, more=1).astype(np.int64)


def _with_gaps(items: list[Any], valid: NDArray[np.bool_] | None) -> list[Any]:
    if valid is None:
        return items
    return [item if present else None for item, present in zip(items, valid.tolist(), strict=True)]


def _printed(moments: NDArray[Any]) -> list[str]:
    """Times as Go prints them in JSON: RFC 3339 without zeros at the end."""
    texts = np.datetime_as_string(moments, unit="ns").tolist()
    return [f"{text.rstrip('0').rstrip('.')}Z" for text in texts]
