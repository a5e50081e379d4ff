"""A plugin that its host did not start: its program, its certificates, and which process answers."""

from __future__ import annotations

import json
import logging
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.frames import frames_of
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.host.discovery import discover
from graftage.host.host import Host, HostOptions
from graftage.host.launch import LaunchOptions
from graftage.host.supervision import BackOff, PluginStatus, State
from graftage.protocol.environment import COOKIE_KEY
from graftage.protocol.network_tls import TlsFiles
from support.certificates import Authority
from support.plugin_process import PluginProcess, started
from support.wait import eventually_async

ID = "elsewhere-datasource"
PROGRAM = """
import os
from graftage import DataSource, serve

class Elsewhere(DataSource):
    def query(self, query):
        print("asked")
        return {"pid": [os.getpid()], "ref": [query.ref_id]}

serve(Elsewhere)
"""
BY_NOBODY = {COOKIE_KEY: None}
LOGGER = logging.getLogger("host")
QUICK = BackOff(first=0.05, longest=0.2, jitter=0.0)
SECONDS = 10.0


class Listening(NamedTuple):
    """A plugin that listens on the network."""

    plugin: PluginProcess
    address: str


def described(folder: Path, *, executable: str = "plugin", plugin_id: str = ID) -> Path:
    """Make it a plugin's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {"id": plugin_id, "type": "datasource", "backend": True, "executable": executable}
    (folder / "plugin.json").write_text(json.dumps(description))
    return folder


def usual_port() -> str:
    """An address that can be listened on again: no port that the system gives away meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"


@asynccontextmanager
async def listening(
    folder: Path, *arguments: str | Path, at: str = "127.0.0.1:0"
) -> AsyncIterator[Listening]:
    """Run the program so that it listens on the network."""
    flags = ("--listen", at, *map(str, arguments))
    async with started(PROGRAM, folder, environment=BY_NOBODY, arguments=flags) as plugin:
        await eventually_async(lambda: "the plugin listens" in plugin.messages(), what="it listens")
        record = next(one for one in plugin.records() if one["@message"] == "the plugin listens")
        yield Listening(plugin, record["address"])


def hosting(plugins: Path, *, limits: dict[str, float] | None = None, **options: object) -> Host:
    """A host of the plugins in these folders; for LaunchOptions, `limits`."""
    launch = LaunchOptions(**{"connect_timeout": 3.0, "reconnect_timeout": 1.0, **(limits or {})})  # type: ignore[arg-type]
    found = discover([plugins])
    return Host(found.plugins, HostOptions(launch=launch, back_off=QUICK, **options), logger=LOGGER)  # type: ignore[arg-type]


def request(*ref_ids: str) -> QueryRequest:
    source = DataSourceSettings(1, 1, "Elsewhere", ID, uid="u")
    model = '{"do":"series","rows":2}'  # for a plugin in Go; ours answers whatever it is asked
    queries = tuple(Query(ref_id, json=model) for ref_id in ref_ids or ("A",))
    return QueryRequest(TimeRange(0, 60_000), context_of(source), queries)


def pid_in(results: Sequence[Result]) -> int:
    """The process that answered."""
    (result,) = results
    assert not result.error, result.error
    return int(frames_of(result)[0].fields[0].values[0])


async def reach(host: Host, state: State, *, restarts: int = 0) -> PluginStatus:
    """Wait for a state, after so many restarts."""
    await eventually_async(
        lambda: host.status(ID).state is state and host.status(ID).restarts >= restarts,
        timeout=20,
        what=f"{state}: {host.status(ID)}",
    )
    return host.status(ID)


def pem_files(folder: Path, authority: Authority, name: str) -> TlsFiles:
    """A certificate for this name, its key, and the authority that issued it, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    issued = authority.issue(name)
    texts = {"cert.pem": issued.certificate, "key.pem": issued.key, "ca.pem": authority.certificate}
    for file, text in texts.items():
        (folder / file).write_text(text)
    return TlsFiles(*(folder / file for file in texts))


def tls_flags(files: TlsFiles) -> tuple[str, ...]:
    """What makes the program listen with them."""
    named = {"--tls-cert": files.certificate, "--tls-key": files.key, "--tls-ca": files.authority}
    return tuple(str(word) for pair in named.items() for word in pair)
