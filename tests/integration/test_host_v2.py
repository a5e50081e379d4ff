"""The host with a real plugin of version 2: contexts, streams, and questions to other data sources."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graftage.backend.context import DataSourceSettings, PluginContext, User, context_of
from graftage.backend.frames import frames_of
from graftage.backend.health import HealthRequest
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.backend.stream import StreamRequest
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.errors import NotImplementedByPlugin, PluginUnavailable
from graftage.host.discovery import discover
from graftage.host.host import Host, HostOptions
from graftage.host.host_query import HostQueryService
from graftage.host.launch import LaunchOptions
from graftage.host.supervision import BackOff

PLUGIN = "asking-datasource"
USER = User("me", role="Viewer")
CONTEXT = context_of(DataSourceSettings(1, 2, "Asking", PLUGIN, uid="u1"), user=USER)

# It asks another data source for what it is asked, and tells what it knows of its host as its health.
PROGRAM = """
import asyncio, sys
import graftage

class Asking(graftage.DataSource):
    async def query(self, query):
        if "other" in query.model:
            return list(await query.host.query(query.model["other"], "B", {"expr": "up"}))
        context = query.context
        return {"told": [context.plugin_version, context.user_agent, context.config["GF_SQL_ROW_LIMIT"]]}

graftage.serve(Asking)
"""

# It streams without end, with services of bare gRPC.
STREAMING = """
import asyncio
import grpc
from graftage.protocol import rpc
from graftage.protocol.v2.stream import encode_packet
from graftage.sdk.serving import serve_services

async def run(message, context):
    yield encode_packet(b"1")
    await asyncio.Event().wait()

handlers = {"RunStream": grpc.unary_stream_rpc_method_handler(run)}
serve_services({2: [grpc.method_handlers_generic_handler(rpc.STREAM, handlers)]})
"""


class Others:
    """The other data sources of a host: they note what they are asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def __call__(self, *asked: object) -> tuple[Result, ...]:
        self.asked.append(asked)
        frame = Frame((Field("n", FieldType.FLOAT64, np.array([1.0, 2.0])),), ref_id="B")
        return (Result("B", arrow=(write_arrow(frame),)),)


@asynccontextmanager
async def running(
    folder: Path,
    program: str,
    *,
    others: Others | None = None,
    launched: dict[str, dict[str, bool]] | None = None,
    **launch: Any,
) -> AsyncIterator[Host]:
    folder = folder / PLUGIN
    folder.mkdir()
    description = {
        "id": PLUGIN,
        "type": "datasource",
        "backend": True,
        "executable": "tool",
        "info": {"version": "1.2.3"},
    }
    (folder / "plugin.json").write_text(json.dumps(description))
    (folder / "tool.py").write_text(program)
    options = HostOptions(
        back_off=BackOff(first=20.0, longest=30.0),
        launch=LaunchOptions(**launch),
        launched=launched or {},
    )
    service = HostQueryService(others) if others else None
    async with Host(discover([folder]).plugins, options, host_query=service) as host:
        yield host


async def ask(host: Host, context: PluginContext = CONTEXT, **model: str) -> Result:
    request = QueryRequest(TimeRange(5, 6), context, (Query("A", json.dumps(model)),))
    (result,) = await host.query(PLUGIN, request, timeout=20)
    return result


async def test_a_plugin_is_told_of_its_host_with_each_call(tmp_path: Path) -> None:
    async with running(tmp_path, PROGRAM) as host:
        (frame,) = frames_of(await ask(host))
    version, agent, limit = frame.fields[0].values.tolist()
    assert (version, limit) == ("1.2.3", "1000000")
    assert agent.startswith("Grafana/12.0.0 (linux; ")


@pytest.mark.parametrize(
    "launch", [{}, {"auto_mtls": True}, {"multiplex": True}], ids=["plain", "tls", "mux"]
)
async def test_a_plugin_asks_another_data_source(launch: dict[str, Any], tmp_path: Path) -> None:
    others = Others()
    async with running(tmp_path, PROGRAM, others=others, **launch) as host:
        answers = [await ask(host, other="u2"), await ask(host, other="u2")]
    assert [result.error for result in answers] == ["", ""]
    assert frames_of(answers[0])[0].fields[0].values.tolist() == [1.0, 2.0]
    query = Query("B", '{"expr": "up", "refId": "B"}')
    assert others.asked == [("u2", 2, USER, (query,), TimeRange(5, 6), ("u1",))] * 2


async def test_a_plugin_cannot_ask_itself(tmp_path: Path) -> None:
    others = Others()
    async with running(tmp_path, PROGRAM, others=others) as host:
        result = await ask(host, other="u1")
    assert "data source 'u1' would ask itself: u1 -> u1" in result.error
    assert others.asked == []


async def test_a_plugin_whose_host_offers_no_such_thing_is_told_so(tmp_path: Path) -> None:
    async with running(tmp_path, PROGRAM) as host:
        result = await ask(host, other="u2")
    assert "does not let plugins ask other data sources" in result.error


async def test_a_stream_ends_when_the_plugin_dies(tmp_path: Path) -> None:
    async with running(tmp_path, STREAMING) as host:
        packets = host.run_stream(PLUGIN, StreamRequest(CONTEXT, "a"))
        assert await anext(packets) == b"1"
        pid = host.status(PLUGIN).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(PluginUnavailable, match=r"the call broke off: .* signal 9"):
            await anext(packets)


async def test_a_stream_ends_when_the_host_stops(tmp_path: Path) -> None:
    async with running(tmp_path, STREAMING) as host:
        packets = host.run_stream(PLUGIN, StreamRequest(CONTEXT, "a"))
        assert await anext(packets) == b"1"
    with pytest.raises(PluginUnavailable, match="is stopped"):
        await anext(packets)


async def test_what_a_plugin_lacks_it_does_not_implement(tmp_path: Path) -> None:
    async with running(tmp_path, STREAMING) as host:
        with pytest.raises(NotImplementedByPlugin) as caught:
            await host.check_health(PLUGIN, HealthRequest(CONTEXT), timeout=20)
    assert caught.value.version == 2


# It says whether its host asked for TLS.
ENCRYPTED = """
import os
import graftage

def tell(query):
    return {"encrypted": ["PLUGIN_CLIENT_CERT" in os.environ]}

graftage.serve(query=tell)
"""


@pytest.mark.parametrize("tls", [True, False])
async def test_a_single_plugin_can_be_launched_in_its_own_way(tls: bool, tmp_path: Path) -> None:
    async with running(tmp_path, ENCRYPTED, launched={PLUGIN: {"auto_mtls": tls}}) as host:
        (frame,) = frames_of(await ask(host))
    assert frame.fields[0].values.tolist() == [tls]
