"""What a frame says about itself.

Source: grafana/grafana-plugin-sdk-go, data/frame_meta.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graftage.data.field_config import CONFIG_KEYS
from graftage.data.go_struct import (
    Key,
    absent,
    anything,
    array,
    integer,
    items,
    never,
    number,
    struct,
    text,
    unknown_keys,
    wrong,
)

_INT64: Final = integer(-(2**63), 2**63 - 1)
_UINT64: Final = integer(0, 2**64 - 1)
_SEVERITIES: Final = ("info", "warning", "error")


def check_meta(meta: Mapping[str, object]) -> None:
    """Raises ValueError naming the key that makes Grafana refuse the whole answer."""
    written_meta(meta)


def read_meta(value: object) -> dict[str, Any]:
    """What Grafana makes of a frame's metadata: known keys only, in the order in which they are written.

    value: from JSON; null is metadata that says nothing. `typeVersion` is always there, `[0, 0]` if unknown.
    Raises ValueError naming the key that Grafana would refuse.
    """
    return _META(value, "meta")


def written_meta(meta: Mapping[str, object]) -> dict[str, Any]:
    """The metadata as it is written; keys that only browsers know come last.

    Raises ValueError as `check_meta` does.
    """
    return read_meta(meta) | unknown_keys(meta, _META_KEYS)


def _version(value: object, place: str) -> list[int]:
    """Two numbers: missing ones are 0, further ones are not looked at."""
    parts = items(value, place)
    return [_UINT64(part, f"{place}[{index}]") for index, part in enumerate([*parts, 0, 0][:2])]


def _severity(value: object, place: str) -> str:
    if not isinstance(value, str) or value not in _SEVERITIES:
        raise wrong(value, place, f"one of {', '.join(_SEVERITIES)}")
    return str(value)


_STAT: Final = struct({**CONFIG_KEYS, "value": Key(number, never, 0.0)})
_NOTICE: Final = struct(
    {
        "severity": Key(_severity, never, "info"),
        "text": Key(text, never, ""),
        "link": Key(text),
        "inspect": Key(_INT64),  # a tab of the inspector: 1 meta, 2 error, 3 data, 4 stats
    }
)
_META_KEYS: Final[Mapping[str, Key]] = {
    "type": Key(text),
    "typeVersion": Key(_version, never, [0, 0]),
    "path": Key(text),
    "pathSeparator": Key(text),
    "custom": Key(anything, absent),
    "stats": Key(array(_STAT)),
    "notices": Key(array(_NOTICE)),
    "channel": Key(text),
    "preferredVisualisationType": Key(text),
    "preferredVisualisationPluginId": Key(text),
    "executedQueryString": Key(text),
    "dataTopic": Key(text),
    "uniqueRowIdFields": Key(array(_INT64)),
}
_META: Final = struct(_META_KEYS)
