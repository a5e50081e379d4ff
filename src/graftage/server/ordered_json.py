"""JSON with its keys in a fixed order, as Grafana's answers have them where its free JSON is sorted."""

from __future__ import annotations

from graftage.data.canonical_json import write_json


class JsonText(str):
    """JSON that is already written, to be put into an answer as it is."""

    __slots__ = ()


def write_ordered(value: object) -> str:
    """Compact JSON text with the keys of every dict in the order they have there."""
    match value:
        case JsonText():
            return value
        case dict():
            members = (f"{write_json(key)}:{write_ordered(member)}" for key, member in value.items())
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(map(write_ordered, value)) + "]"
        case _:
            return write_json(value)
