"""A listening socket of our own in the place of gRPC's: what comes in there goes through a bridge.

Not `asyncio.Server`: before Python 3.12 that leaks a connection which comes in just as it is closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

_RETRY_SECONDS = 0.1  # after an accept that failed, as it does when there are no descriptors left

log = logging.getLogger(__name__)


class SocketListener:
    """Told where to listen in gRPC's words (`unix:/path`, `host:port`); serves from then on when told to."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def add_insecure_port(self, address: str) -> int:
        """Bind and listen; the port, 1 for a Unix socket. Raises RuntimeError, as gRPC does."""
        network, _, rest = address.partition(":")
        is_unix = network == "unix"
        bound = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.bind(rest if is_unix else (network, int(rest)))
            bound.listen()
        except OSError as error:
            bound.close()
            raise RuntimeError(str(error)) from error
        bound.setblocking(False)
        self._socket = bound
        return 1 if is_unix else int(bound.getsockname()[1])

    def serve(self, connection: Callable[[], asyncio.Protocol]) -> None:
        """Give each connection that comes in the protocol that this makes, until closed."""
        assert self._socket is not None, "it was told where to listen"
        self._accepting = asyncio.ensure_future(self._accept(self._socket, connection))

    async def close(self) -> None:
        """Listen no more. Connections that are made stay."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listening: socket.socket, connection: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("a connection could not be taken: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                await loop.connect_accepted_socket(connection, accepted)
            except BaseException:
                accepted.close()
                raise
