"""The answer to a request for a plugin's own route, on its way to the host.

Status and headers go with the first piece of the body. Each piece is a message, which the host sends on at
once.

Source: grafana/grafana-plugin-sdk-go, backend/resource/httpadapter/response_writer.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from graftage.backend.resource import ResourcePart
from graftage.errors import PluginFault
from graftage.sdk.content_guess import guess_content_type
from graftage.sdk.errors import check_status

CONTENT_TYPE = "Content-Type"
OK, NO_CONTENT = 200, 204

SendPart = Callable[[ResourcePart], Awaitable[None]]


class Reply:
    """has_body: False for HEAD; what is written then is left out.

    started: has the host got status and headers? ended: is it complete?
    """

    def __init__(self, send: SendPart, *, has_body: bool = True) -> None:
        self.started = False
        self.ended = False
        self._send = send
        self._has_body = has_body
        self._status = OK
        self._headers: dict[str, tuple[str, ...]] = {}

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Say status and headers, which may still change until the first piece of the body.

        Raises PluginFault when it is too late, and ValueError for what is no status of HTTP.
        """
        if self.started:
            raise PluginFault(
                "status and headers are sent already; say them before the first piece of the body"
            )
        check_status(status)
        self._status = status
        self._headers = {}
        for name, value in headers:
            name = canonical(name)
            self._headers[name] = (*self._headers.get(name, ()), value)

    async def write(self, body: bytes) -> None:
        """Send a piece of the body, and what was not sent before it."""
        if self.ended:
            raise PluginFault("the answer is complete; nothing can be added to it")
        if self.started:
            if body and self._has_body:
                await self._send(ResourcePart(body=body))
            return
        if body:
            self._headers.setdefault(CONTENT_TYPE, (guess_content_type(body),))
        self.started = True
        await self._send(ResourcePart(self._status, self._headers, body if self._has_body else b""))

    async def end(self) -> None:
        """The answer is complete; without any piece it is an empty one."""
        if not self.started:
            await self.write(b"")
        self.ended = True


def canonical(name: str) -> str:
    """A header's name as Go writes it: `content-type` is `Content-Type`."""
    return "-".join(part.capitalize() for part in name.split("-"))
