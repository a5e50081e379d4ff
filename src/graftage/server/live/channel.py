"""The ids of channels: ``ds/<uid>/<path>`` of a data source, ``plugin/<id>/<path>`` of a plugin.

Source: grafana/grafana-plugin-sdk-go, live/channel.go (`ParseChannel`); grafana,
pkg/services/live/orgchannel/orgchannel.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from graftage.server.live.refusal import BAD_CHANNEL, PERMISSION_DENIED, Refusal
from graftage.store.data_sources import MAIN_ORG

MAX_CHARACTERS: Final = 160

DATA_SOURCE: Final = "ds"
PLUGIN: Final = "plugin"

_ID: Final = re.compile(r"([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.=/-]+)")
# Grafana's own pages put the organisation before the id, which only ever stands for itself.
_ORGANISATION: Final = re.compile(r"([0-9]{1,19})/(.+/.+/.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Channel:
    """scope: whose it is. namespace: which one's. path: the plugin's own name for it; may have slashes."""

    scope: str
    namespace: str
    path: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.namespace}/{self.path}"


def parse_channel(text: str) -> Channel | Refusal:
    """The channel with this id, which may begin with the number of the organisation and a slash."""
    prefixed = _ORGANISATION.fullmatch(text)
    if prefixed is not None:
        if int(prefixed[1]) != MAIN_ORG:
            return PERMISSION_DENIED
        text = prefixed[2]
    parts = _ID.fullmatch(text)
    if parts is None or len(text) > MAX_CHARACTERS:
        return BAD_CHANNEL
    return Channel(*parts.groups())
