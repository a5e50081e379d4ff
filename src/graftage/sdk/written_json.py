"""What an author has, as JSON: also dataclasses, moments, a frame, and NumPy's numbers and arrays."""

from __future__ import annotations

from typing import Any

import msgspec

from graftage.data.frame import Frame
from graftage.data.frame_json import write_frame_json
from graftage.errors import PluginFault


def write_json(value: object, *, what: str) -> bytes:
    """Raises PluginFault for what JSON cannot say. what: how its message calls the value."""
    if isinstance(value, Frame):
        return b"".join(write_frame_json(value))
    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except (TypeError, ValueError) as error:
        raise PluginFault(f"{what} cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON value")
