"""A plugin's own HTTP routes answered by an ASGI application: Starlette, FastAPI, Quart, Django and others.

Only requests (scope `http`) reach it. What the application would set up and tear down with its `lifespan`
belongs in `setup` and `aclose` of the plugin's object.

Source: the ASGI specification, version 3.0, "HTTP & WebSocket ASGI Message Format".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from graftage.errors import PluginFault
from graftage.sdk.incoming import Incoming
from graftage.sdk.reply import Reply

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


async def answer_by_asgi(application: Application, asked: Incoming, reply: Reply) -> None:
    """Raises what the application raises, and PluginFault when it leaves the answer unfinished."""
    incoming: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]
    answered = asyncio.Event()

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await answered.wait()  # until then the host is there: it would have cancelled this call
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                reply.head(message["status"], _texts(message.get("headers", ())))
            case "http.response.body":
                await reply.write(bytes(message.get("body", b"")))
                if not message.get("more_body", False):
                    await reply.end()
                    answered.set()
            case kind:
                raise PluginFault(
                    f"the ASGI application sent {kind!r}; a request is answered by http.response.*"
                )

    await application(_scope(asked), receive, send)
    if not reply.ended:
        raise PluginFault("the ASGI application returned before its answer was complete")


def _scope(asked: Incoming) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": quote(asked.path).encode(),
        "query_string": asked.query.encode("utf-8", "replace"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, values in asked.headers.items()
            for value in values
        ],
        "client": None,
        "server": None,
    }


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
