"""Resources and streams of a plugin's process, and that no failure of theirs ends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.backend.resource import ResourceRequest
from graftage.backend.stream import StreamRequest
from graftage.errors import CallFailed
from graftage.host.client import PluginClient
from support.plugin_process import CALL_SECONDS, PluginProcess, shut_down, started
from support.wait import eventually_async

PLUGIN = """
import asyncio
import sys

from graftage import DataSource, resource, serve, stream

class Weather(DataSource):
    @resource("POST", "/echo")
    async def echo(self, request):
        print("asked")
        return request.body

    @resource("GET", "/fails/{how}")
    async def fails(self, how):
        if how == "late":
            return self.late()
        sys.exit("bye")

    async def late(self):
        yield "first"
        sys.exit("bye")

    @stream("ticks")
    async def ticks(self):
        try:
            while True:
                yield {"n": [1]}
                await asyncio.sleep(0.01)
        finally:
            print("closed")

    @stream("fails/{how}")
    async def stream_fails(self, how):
        yield {"n": [1]}
        if how == "exit":
            sys.exit("bye")
        raise ValueError("a bug")

serve(Weather)
"""

CONTEXT = PluginContext(1, "acme", data_source=DataSourceSettings(7, 1, "weather", "acme", uid="u"))


@asynccontextmanager
async def plugin(folder: Path) -> AsyncIterator[tuple[PluginProcess, PluginClient]]:
    async with started(PLUGIN, folder, versions=(2,)) as process, process.channel() as channel:
        yield process, PluginClient("acme", channel, asyncio.get_running_loop().create_future(), 2)


async def call(client: PluginClient, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    asked = ResourceRequest(CONTEXT, path, method, path, body=body)
    parts = [part async for part in client.call_resource(asked, timeout=CALL_SECONDS)]
    return parts[0].code, b"".join(part.body for part in parts)


async def test_no_failure_of_a_handler_ends_the_process(tmp_path: Path) -> None:
    async with plugin(tmp_path) as (process, client):
        code, said = await call(client, "GET", "fails/now")
        assert (code, json.loads(said)) == (500, {"message": "SystemExit: bye"})
        with pytest.raises(CallFailed, match="SystemExit: bye"):
            await call(client, "GET", "fails/late")
        for how in ("exit", "bug"):
            packets = client.run_stream(StreamRequest(CONTEXT, f"fails/{how}"))
            await anext(packets)
            with pytest.raises(CallFailed):
                await anext(packets)

        large = bytes(16 * 1024 * 1024)
        assert await call(client, "POST", "echo", large) == (200, large)
        await eventually_async(lambda: "asked" in process.messages(), what="what the handler printed")
        (failure, *_) = [one for one in process.records() if one["@message"] == "the resource call failed"]
        assert "Traceback" in failure["stacktrace"]
        assert (failure["endpoint"], failure["dsUid"]) == ("callResource", "u")


async def test_a_stream_is_closed_when_its_plugin_is_stopped(tmp_path: Path) -> None:
    async with (
        plugin(tmp_path) as (process, client),
        aclosing(client.run_stream(StreamRequest(CONTEXT, "ticks"))) as packets,
    ):
        await anext(packets)
        async with process.channel() as channel:
            await shut_down(channel)

        assert await process.exit_status() == 0
        assert "closed" in process.messages()
