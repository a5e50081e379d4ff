"""Settings of a field: how its values are displayed.

Source: grafana/grafana-plugin-sdk-go, data/field_config.go and data/value_mapping.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from graftage.data.go_struct import (
    Key,
    absent,
    anything,
    array,
    bound,
    flag,
    integer,
    is_number,
    items,
    mapping,
    never,
    number,
    optional,
    struct,
    text,
    unknown_keys,
    wrong,
)

_INT64: Final = integer(-(2**63), 2**63 - 1)
_UINT16: Final = integer(0, 2**16 - 1)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)")
_NO_MOMENT: Final = "0001-01-01T00:00:00Z"  # Go's zero time
_THRESHOLD_KEYS: Final = ("value", "color", "state")


def check_config(config: Mapping[str, object]) -> None:
    """Raises ValueError naming the key that makes Grafana refuse the whole answer."""
    written_config(config)


def read_config(value: object) -> dict[str, Any]:
    """What Grafana makes of a field's settings: known keys only, in the order in which they are written.

    value: from JSON; null is no settings at all. Raises ValueError naming the key that Grafana would refuse.
    """
    return _CONFIG(value, "config")


def written_config(config: Mapping[str, object]) -> dict[str, Any]:
    """The settings as they are written; keys that only browsers know come last.

    Raises ValueError as `check_config` does.
    """
    return read_config(config) | unknown_keys(config, CONFIG_KEYS)


def _moment(value: object, place: str) -> str:
    if value is None:
        return _NO_MOMENT
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise wrong(value, place, "a time such as 2024-01-31T09:00:00Z")
    return str(value)


def _threshold(value: object, place: str) -> dict[str, Any]:
    """A step; a value that is no number counts as minus infinity, as in the browser."""
    step = mapping(value, place)
    for key in step:
        if key not in _THRESHOLD_KEYS:
            raise ValueError(f"{place}.{key} is unknown; expected one of {', '.join(_THRESHOLD_KEYS)}")
    limit = step.get("value")
    return {"value": bound(limit if is_number(limit) else None, f"{place}.value")} | {
        key: name for key in ("color", "state") if (name := text(step.get(key), f"{place}.{key}"))
    }


def _mapping(value: object, place: str) -> dict[str, Any]:
    """One of the forms in which values are mapped to texts; the browser's `regex` is unknown to servers."""
    given = mapping(value, place)
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in _MAPPINGS:
        raise wrong(kind, f"{place}.type", f"one of {', '.join(_MAPPINGS)}")
    if "options" not in given:
        raise ValueError(f"{place}.options is missing; expected what the {kind} maps to")
    return {"type": str(kind), "options": _MAPPINGS[kind](given["options"], f"{place}.options")}


def _value_options(value: object, place: str) -> dict[str, Any] | None:
    if value is None:
        return None
    options = mapping(value, place)
    return {str(key): _RESULT(options[key], f"{place}.{key}") for key in sorted(options)}


_RESULT: Final = struct({"text": Key(text), "color": Key(text), "index": Key(_INT64)})
_RESULT_KEY: Final = Key(_RESULT, never, {})
_MAPPINGS: Final = {
    "value": _value_options,
    "range": struct(
        {
            "from": Key(optional(bound), absent),
            "to": Key(optional(bound), absent),
            "result": _RESULT_KEY,
        }
    ),
    "special": struct({"match": Key(text, never, ""), "result": _RESULT_KEY}),
}

_TRANSFORMATION: Final = struct({key: Key(text) for key in ("type", "field", "expression", "mapValue")})
_INTERNAL_LINK: Final = struct(
    {
        "query": Key(anything, absent),
        "datasourceUid": Key(text),
        "datasourceName": Key(text),
        "panelsState": Key(anything, absent),
        "transformations": Key(optional(array(_TRANSFORMATION)), absent),
        "timeRange": Key(
            optional(struct({key: Key(_moment, never, _NO_MOMENT) for key in ("from", "to")})), absent
        ),
    }
)
_LINK: Final = struct(
    {
        "title": Key(text),
        "targetBlank": Key(flag),
        "url": Key(text),
        "internal": Key(optional(_INTERNAL_LINK), absent),
    }
)


def _anything_by_key(value: object, place: str) -> dict[str, Any]:
    return dict(anything(mapping(value, place), place))


def _texts_or_null(value: object, place: str) -> list[str] | None:
    return None if value is None else array(text)(items(value, place), place)


_STEPS_OR_NULL: Final = optional(array(_threshold))
_THRESHOLDS: Final = struct({"mode": Key(text, never, ""), "steps": Key(_STEPS_OR_NULL, never)})
_ENUM: Final = struct(
    {"text": Key(_texts_or_null, never)} | {key: Key(array(text)) for key in ("color", "icon", "description")}
)

CONFIG_KEYS: Final[Mapping[str, Key]] = {
    "displayName": Key(text),
    "displayNameFromDS": Key(text),
    "path": Key(text),
    "description": Key(text),
    "filterable": Key(optional(flag), absent),
    "writeable": Key(optional(flag), absent),
    "unit": Key(text),
    "decimals": Key(optional(_UINT16), absent),
    "min": Key(optional(bound), absent),
    "max": Key(optional(bound), absent),
    "interval": Key(number),
    "mappings": Key(array(_mapping)),
    "thresholds": Key(optional(_THRESHOLDS), absent),
    "color": Key(_anything_by_key),
    "links": Key(array(_LINK)),
    "noValue": Key(text),
    "type": Key(optional(struct({"enum": Key(optional(_ENUM), absent)})), absent),
    "custom": Key(_anything_by_key),
}
_CONFIG: Final = struct(CONFIG_KEYS)
