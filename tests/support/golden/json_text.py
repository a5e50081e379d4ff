"""JSON as Go writes it, keeping the order of keys and the letters of every number.

Source: encoding/json. Its own reading here, apart from the package under test, so that the two can disagree.
"""

from __future__ import annotations

import json
import re
from typing import Any

_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Number(str):
    """The letters of a number."""

    __slots__ = ()


def parse(text: str) -> Any:
    """JSON with numbers as `Number`. Raises ValueError."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def dump(value: Any) -> str:
    """Compact JSON, keys in the order given, markup escaped."""
    match value:
        case Number():
            return str(value)
        case str():
            return (
                '"' + _ESCAPED.sub(lambda found: _SHORT.get(found[0], f"\\u{ord(found[0]):04x}"), value) + '"'
            )
        case dict():
            return "{" + ",".join(f"{dump(key)}:{dump(inner)}" for key, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(dump(inner) for inner in value) + "]"
        case _:
            return json.dumps(value)


def at(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer. Raises LookupError."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def put(value: Any, pointer: str, new: Any) -> None:
    """Replace the value at a JSON pointer in place, if there is one."""
    parent, _, key = pointer.rpartition("/")
    try:
        holder = at(value, parent)
        place: Any = int(key) if isinstance(holder, list) else key.replace("~1", "/").replace("~0", "~")
        holder[place]
        holder[place] = new
    except (LookupError, TypeError, ValueError):
        return
