"""Labels: what tells one series from another of the same name.

Source: grafana/grafana-plugin-sdk-go, data/labels.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from graftage.data.canonical_json import read_json
from graftage.data.go_struct import mapping, text

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_END: Final = b"\xff"  # no byte of UTF-8
_SEPARATORS: Final = re.compile('[={}"]+')


def labels_text(labels: Mapping[str, str]) -> str:
    """`dc=x, host=a`: pairs sorted by key."""
    return ", ".join(f"{key}={labels[key]}" for key in sorted(labels))


def parse_labels(written: str) -> dict[str, str] | None:
    """The labels of a text such as `{host="a"}`, `host=a, dc=x` or a JSON object; None for an empty text.

    Raises ValueError quoting the pair that is none.
    """
    if not written:
        return None
    if written.startswith('{"'):
        try:
            return read_labels(read_json(written))
        except ValueError:
            pass  # what is no JSON may still be pairs
    return dict(_pair(part) for part in written.split(", "))


def read_labels(value: object) -> dict[str, str] | None:
    """The labels of a parsed JSON text; None for null. Raises ValueError naming the label that is no text."""
    if value is None:
        return None
    return {key: text(content, f"labels.{key}") for key, content in mapping(value, "labels").items()}


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hexadecimal digits by which labels are told apart: FNV-1 with 64 bits over the sorted pairs."""
    state = _FNV_OFFSET
    for key in sorted(labels):
        for byte in key.encode() + _END + labels[key].encode() + _END:
            state = (state * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF) ^ byte
    return f"{state:016x}"


def _pair(part: str) -> tuple[str, str]:
    match [piece for piece in _SEPARATORS.split(part) if piece]:
        case [key, value]:
            return key, value
        case _:
            raise ValueError(f"the label {part!r} is no pair; expected a key, `=` and a value")
