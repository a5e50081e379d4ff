"""Channels of live data: may somebody listen, what is sent, and what others may send.

Source: grafana/grafana-plugin-sdk-go, backend/stream.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from graftage.backend.context import PluginContext


class StreamStatus(IntEnum):
    """May it be done? The numbers are those on the wire."""

    OK = 0
    NOT_FOUND = 1
    PERMISSION_DENIED = 2


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """To subscribe to a channel, to run it, or to publish into it.

    path: of the channel, behind its scope and namespace. data: JSON; empty where there is none.
    """

    context: PluginContext
    path: str
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """Whether a channel may be had, or published into.

    data: for a subscriber, what it shall see first; for a publisher, what is published instead of its own
    data. Empty: nothing at all. status: a number that `StreamStatus` does not know means no.
    """

    status: int
    data: bytes = b""
