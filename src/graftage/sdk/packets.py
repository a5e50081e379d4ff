"""What a stream yields as the JSON that subscribers get: a frame whole at first, then its data only, as long
as its schema stays.

Source: grafana/grafana-plugin-sdk-go, data/frame_json.go (`FrameInclude`) and backend/stream.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from graftage.data.frame import Frame
from graftage.data.frame_json import write_frame_json
from graftage.data.intake import frame_from
from graftage.errors import PluginFault

_JSON = msgspec.json.Decoder(msgspec.Raw)  # checks without making objects


class Packets:
    """schema: the latest one, as JSON of a frame without data; empty before there is one."""

    def __init__(self) -> None:
        self.schema = b""

    def packet(self, yielded: object) -> bytes:
        """Raises PluginFault for text that is no JSON, ValueError naming a column that fits into no frame,
        and TypeError for what is no data."""
        if isinstance(yielded, str | bytes | bytearray | memoryview):
            self.schema = b""  # nobody knows what it makes of the data that follow
            return _checked(yielded)
        frame = _frame(yielded)
        schema = b"".join(write_frame_json(frame, data=False))
        whole, self.schema = schema != self.schema, schema
        return b"".join(write_frame_json(frame, schema=whole))


def _checked(text: str | bytes | bytearray | memoryview) -> bytes:
    data = text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)
    try:
        _JSON.decode(data)
    except ValueError as error:
        raise PluginFault(f"the stream gave text that is no JSON: {error}; subscribers read JSON") from error
    return data


def _frame(yielded: object) -> Frame:
    """Values may be missing in all fields: whether one is must not make a new schema of it."""
    frame = frame_from([yielded] if _is_row(yielded) else yielded)
    return replace(frame, fields=tuple(replace(field, nullable=True) for field in frame.fields))


def _is_row(yielded: object) -> bool:
    """Does a dict hold single values? Else they are columns."""
    return isinstance(yielded, Mapping) and not any(map(_is_column, yielded.values()))


def _is_column(value: object) -> bool:
    return hasattr(type(value), "__len__") and not isinstance(value, str | bytes | Mapping)
