"""A frame for other libraries: `polars.DataFrame(frame)`, `pyarrow.table(frame)`, DuckDB's `FROM frame`.

Numbers and times are shared, not copied: nanoarrow keeps each array until the library that took the capsule
releases it. Times are nanoseconds without a zone, as on the wire; labels and config are left out.
"""

from __future__ import annotations

from typing import Any, Final

import nanoarrow
import numpy as np
from nanoarrow.c_array_stream import CArrayStream
from numpy.typing import NDArray

from graftage.data.arrow.texts import bytes_of_texts
from graftage.data.frame import Field, FieldType, Frame

_TYPES: Final = {
    FieldType.TIME: nanoarrow.timestamp("ns"),
    FieldType.STRING: nanoarrow.string(),
    FieldType.JSON: nanoarrow.string(),
    FieldType.BOOL: nanoarrow.bool_(),
    FieldType.ENUM: nanoarrow.uint16(),
    **{kind: getattr(nanoarrow, kind.value)() for kind in FieldType if kind.is_number},
}
_MOST_BYTES: Final = 2**31 - 1  # of text in a column with 32-bit offsets


def export_stream(frame: Frame, requested_schema: object = None) -> object:
    """An `arrow_array_stream` capsule with the frame as its only batch.

    requested_schema: a wish that the protocol allows to leave open; a library that wants other types casts.
    Raises ValueError naming the field whose text is longer than Arrow's 32-bit offsets reach.
    """
    types = [
        nanoarrow.Schema(_TYPES[field.type], name=field.name, nullable=field.nullable)
        for field in frame.fields
    ]
    schema = nanoarrow.c_schema(nanoarrow.struct(types, nullable=False))
    children = [
        nanoarrow.c_array_from_buffers(kind, len(field), _buffers(field))
        for kind, field in zip(types, frame.fields, strict=True)
    ]
    batch = nanoarrow.c_array_from_buffers(schema, len(frame), [None], children=children)
    return CArrayStream.from_c_arrays([batch], schema, validate=False).__arrow_c_stream__()


def _buffers(field: Field) -> list[Any]:
    """The validity and what follows it in the layout of the field's type."""
    validity = None if field.valid is None else np.packbits(field.valid, bitorder="little")
    match field.type:
        case FieldType.STRING | FieldType.JSON:
            return [validity, *_text_buffers(field)]
        case FieldType.BOOL:
            return [validity, np.packbits(field.values, bitorder="little")]
        case FieldType.TIME:
            return [validity, np.ascontiguousarray(field.values).view(np.int64)]
        case _:
            return [validity, np.ascontiguousarray(field.values)]


def _text_buffers(field: Field) -> tuple[NDArray[np.int32], bytes]:
    try:
        return bytes_of_texts(field.values.tolist(), _MOST_BYTES)
    except OverflowError as error:
        raise ValueError(
            f"field {field.name!r} holds {error} bytes of text; expected at most {_MOST_BYTES}, "
            "which is what a column of Arrow can hold"
        ) from error
