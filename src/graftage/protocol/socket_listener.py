"""A listening socket of our own in the place of gRPC's: what comes in there goes through a bridge.

Neither `asyncio.Server` nor `loop.sock_accept`: those of Python 3.11 leak a connection that comes in just as
they are closed.
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
        self._connection: Callable[[], asyncio.Protocol] | None = None
        self._connecting: set[asyncio.Task[None]] = set()

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
        self.take(bound)
        return 1 if is_unix else int(bound.getsockname()[1])

    def take(self, listening: socket.socket) -> None:
        """Serve a socket that listens already; it is closed in the end."""
        listening.setblocking(False)
        self._socket = listening

    def serve(self, connection: Callable[[], asyncio.Protocol]) -> None:
        """Give each connection that comes in the protocol that this makes, until closed."""
        self._connection = connection
        self._listen()

    async def close(self) -> None:
        """Listen no more. Connections that are made stay."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _listen(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("a connection cannot be taken: %s", error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening)
            loop.call_later(_RETRY_SECONDS, self._listen)
            return
        accepted.setblocking(False)
        task = asyncio.ensure_future(self._connect(accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        assert self._connection is not None, "it was told to serve"
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, accepted)
        except OSError:  # it is gone already
            accepted.close()
