"""What an author's tests need: a plugin that answers real calls, and answers kept in golden files.

    async with plugin_client(Weather, settings={"station": "EDDB"}) as client:
        answers = await client.query(A={"queryType": "forecast"}, last="6h")
        assert_golden(answers["A"], "golden/forecast.json")

The names are loaded when first asked for: pytest imports this package whenever it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graftage.testing.answers import Answer as Answer
    from graftage.testing.answers import ResourceAnswer as ResourceAnswer
    from graftage.testing.client import Client as Client
    from graftage.testing.client import StreamRefused as StreamRefused
    from graftage.testing.client import plugin_client as plugin_client
    from graftage.testing.golden import assert_golden as assert_golden
    from graftage.testing.sync_client import SyncClient as SyncClient

_HOMES = {
    "Answer": "answers",
    "Client": "client",
    "ResourceAnswer": "answers",
    "StreamRefused": "client",
    "SyncClient": "sync_client",
    "assert_golden": "golden",
    "plugin_client": "client",
}

__all__ = [*sorted(_HOMES)]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
