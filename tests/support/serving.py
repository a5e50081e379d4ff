"""An ASGI application behind a real socket, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from graftage.server.websocket_protocol import MESSAGE_LIMIT


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    http: type[asyncio.Protocol] | Literal["httptools"] = "httptools",
    ws: type[asyncio.Protocol] | Literal["none"] = "none",
) -> AsyncIterator[str]:
    """Serve on a free port of this machine; yields ``127.0.0.1:port``.

    uvicorn's protocol without its server, which takes some tenths of a second to stop.
    """
    config = uvicorn.Config(
        app,
        http=http,
        ws=ws,
        ws_max_size=MESSAGE_LIMIT,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    protocol = partial(config.http_protocol_class, config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)  # type: ignore[arg-type]  # uvicorn's own choice of class
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()
