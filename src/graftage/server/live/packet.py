"""What is sent into a channel: one JSON value each, mostly a frame or a part of one.

A frame comes whole at first. As long as its schema stays, only its data follow, so that whoever subscribes
later has to be told the schema.

Source: grafana/grafana-plugin-sdk-go, data/frame_json.go (`FrameJSON`); grafana,
pkg/services/live/managedstream/runner.go (`NamespaceStream.Push`).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from graftage.errors import WireError


@dataclass(frozen=True, slots=True)
class Packet:
    """text: JSON on one line. schema: the frame's, as JSON text; empty where there is none."""

    text: str
    schema: str = ""


class _Frame(msgspec.Struct):
    schema: msgspec.Raw = msgspec.Raw()


_frame = msgspec.json.Decoder(_Frame)
_any = msgspec.json.Decoder(msgspec.Raw)


def read_packet(data: bytes, *, limit: int) -> Packet:
    """Raises WireError, without the data, if that is not one JSON value in UTF-8 of at most `limit` bytes."""
    if len(data) > limit:
        raise WireError(f"expected at most {limit} bytes in a packet, got {len(data)}")
    try:
        # Outside of strings a line break means nothing, and inside of them JSON has none.
        text = data.decode().replace("\n", " ").replace("\r", " ")
        return Packet(text, _schema(text))
    except (ValueError, RecursionError) as error:
        raise WireError(f"expected one JSON value in a packet of {len(data)} bytes: {error}") from error


def opening(initial: Packet | None, schema: str) -> list[str]:
    """What a new subscriber is sent before anything else.

    initial: what the plugin has for it. schema: the one to which the packets that follow belong; empty if it
    is not known.
    """
    first = [] if initial is None else [initial.text]
    if schema and (initial is None or initial.schema != schema):
        first.append(f'{{"schema":{schema}}}')
    return first


def _schema(text: str) -> str:
    if not text.lstrip().startswith("{"):
        _any.decode(text)
        return ""
    schema = bytes(_frame.decode(text).schema).decode()
    return "" if schema == "null" else schema
