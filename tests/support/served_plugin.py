"""A plugin class behind a real socket in this process, asked by the host's own client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio

from graftage.host.client import PluginClient
from graftage.protocol.channel import CHANNEL_OPTIONS
from graftage.sdk.plugin import Plugin

UNLIMITED = [("grpc.max_receive_message_length", -1)]


@asynccontextmanager
async def served(target: object, folder: Path) -> AsyncIterator[PluginClient]:
    """Its services of version 2, for as long as the block lasts."""
    plugin = Plugin(target)
    # One of its own each time: gRPC shares connections among channels to the same address.
    address = f"unix:{folder}/{secrets.token_hex(4)}"
    server = grpc.aio.server(options=UNLIMITED)
    server.add_generic_rpc_handlers(tuple(plugin.versions[2]))
    server.add_insecure_port(address)
    plugin.prepare()
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            yield PluginClient("acme", channel, asyncio.get_running_loop().create_future(), 2)
    finally:
        await plugin.finish(0)
        await server.stop(None)
