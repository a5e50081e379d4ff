"""The web application that answers for a plugin's own routes, made once for each of the author's objects."""

from __future__ import annotations

import asyncio
from typing import Any

from graftage.errors import PluginFault
from graftage.sdk.asgi import answer_by_asgi
from graftage.sdk.call import Call
from graftage.sdk.handlers import has
from graftage.sdk.incoming import Incoming
from graftage.sdk.instances import Instance
from graftage.sdk.marks import ASGI, WSGI
from graftage.sdk.reply import Reply
from graftage.sdk.wsgi import answer_by_wsgi

PLACE = "application"  # among what an object keeps


class Application:
    """method: the author's, which makes it: `asgi` or `wsgi`."""

    def __init__(self, method: str) -> None:
        self._method = method

    async def answer(self, call: Call, instance: Instance, asked: Incoming, reply: Reply) -> None:
        """Raises what the application raises, or making it."""
        made = await self._made(call, instance)
        if self._method == ASGI:
            await answer_by_asgi(made, asked, reply)
        else:
            await answer_by_wsgi(made, call, instance, asked, reply)

    async def _made(self, call: Call, instance: Instance) -> Any:
        making: asyncio.Task[Any] | None = instance.kept.get(PLACE)
        if making is None or _failed(making):
            making = asyncio.create_task(call.run(instance, getattr(instance.source, self._method)))
            instance.kept[PLACE] = making
        return await asyncio.shield(making)  # the call that came first may be cancelled while others wait


def application_of(target: object) -> Application | None:
    """None when the author has none. Raises PluginFault when there are two."""
    methods = [name for name in (ASGI, WSGI) if has(target, name)]
    if len(methods) > 1:
        raise PluginFault("the plugin has both asgi and wsgi, and one application can answer; keep one")
    return Application(methods[0]) if methods else None


def _failed(making: asyncio.Task[Any]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None)
