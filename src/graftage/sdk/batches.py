"""Frames that come piece by piece: which pieces belong together, and what they are together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace

import numpy as np

from graftage.data.data_plane import typed
from graftage.data.frame import Field, Frame


def structure(frame: Frame) -> Hashable:
    """What pieces of one frame have in common. May values be missing? That is no part of it, as the first
    piece cannot know it."""
    fields = ((field.name, field.type, tuple(sorted((field.labels or {}).items()))) for field in frame.fields)
    return (frame.name, *fields)


def joined(pieces: Iterable[Frame]) -> tuple[Frame, ...]:
    """The pieces of each structure as one frame, in the order of their first pieces."""
    together: dict[Hashable, list[Frame]] = {}
    for piece in pieces:
        together.setdefault(structure(piece), []).append(piece)
    return tuple(_join(frames) for frames in together.values())


def opened(frame: Frame) -> Frame:
    """The first piece of a frame whose rows to come are not known: values may be missing in all fields, but
    for the time of what alerts shall understand."""
    fields = tuple(replace(field, nullable=True) for field in frame.fields)
    (first,) = typed((replace(frame, fields=fields),))
    return first


def continued(first: Frame, frame: Frame) -> Frame | None:
    """A later piece, declared as the first one was; None where it cannot be, as a value is missing that must
    not be."""
    pairs = list(zip(first.fields, frame.fields, strict=True))
    if any(not begun.nullable and not field.present().all() for begun, field in pairs):
        return None
    fields = tuple(
        replace(field, nullable=begun.nullable, config=begun.config, labels=begun.labels)
        for begun, field in pairs
    )
    return replace(frame, fields=fields, meta=first.meta)


def _join(frames: list[Frame]) -> Frame:
    first = frames[0]
    if len(frames) == 1:
        return first
    columns = zip(*(frame.fields for frame in frames), strict=True)
    return replace(first, fields=tuple(_join_fields(fields) for fields in columns))


def _join_fields(fields: tuple[Field, ...]) -> Field:
    has_gaps = any(field.valid is not None for field in fields)
    return replace(
        fields[0],
        values=np.concatenate([field.values for field in fields]),
        valid=np.concatenate([field.present() for field in fields]) if has_gaps else None,
        nullable=any(field.nullable for field in fields),
    )
