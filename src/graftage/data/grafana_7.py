"""Frames as Grafana 7 can read them.

Source: grafana-plugin-sdk-go v0.88, which Grafana 7.5 was built with: its Arrow reader knows no Binary, and
its value mappings are of another form, so that one of today's makes it refuse the whole frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from graftage.data.frame import Field, FieldType, Frame

_MAPPINGS: Final = "mappings"
_STATS: Final = "stats"


def for_grafana_7(frame: Frame) -> Frame:
    """The frame with JSON columns as text and without value mappings."""
    return replace(frame, fields=tuple(map(_field, frame.fields)), meta=_meta(frame.meta))


def _field(field: Field) -> Field:
    kind = FieldType.STRING if field.type is FieldType.JSON else field.type
    return replace(field, type=kind, config=_without_mappings(field.config))


def _meta(meta: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Statistics carry the settings of a field each."""
    if meta is None:
        return None
    return {
        key: [_without_mappings(stat) for stat in value]
        if key.lower() == _STATS and isinstance(value, list | tuple)
        else value
        for key, value in meta.items()
    }


def _without_mappings(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    return {key: value for key, value in config.items() if key.lower() != _MAPPINGS}
