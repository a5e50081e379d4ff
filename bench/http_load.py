"""A load generator that leaves the processors to those it measures: sockets, one epoll, one buffer.

It sends the same bytes again and again and reads no more of an answer than where it ends.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

RECEIVE_BYTES = 1 << 20
EXCERPT = 1000  # bytes of an answer that should not have come


class Connection:
    """One kept-alive connection on which one request is under way at a time."""

    def __init__(self, address: tuple[str, int], buffer: bytearray) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = buffer
        self._missing = 0  # bytes of the answer's body that are still to come

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def receive(self) -> bool:
        """Take what has arrived. True when that was the end of an answer."""
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError("the server closed a connection while it was answering")
        body = 0
        if not self._missing:
            body = self._buffer.find(b"\r\n\r\n", 0, count) + 4
            self._missing = _body_length(bytes(self._buffer[:body]).lower(), bytes(self._buffer[body:count]))
        self._missing -= count - body
        return not self._missing


class Load:
    """Connections that send one request over and over."""

    def __init__(self, connections: list[Connection], request: bytes) -> None:
        self._connections = {connection.fileno(): connection for connection in connections}
        self._request = request
        self._arrivals = select.epoll()
        for number in self._connections:
            self._arrivals.register(number, select.EPOLLIN)

    def seconds(self, requests: int) -> float:
        """How long so many requests take, as many at once as there are connections."""
        to_send = requests
        started = time.perf_counter()
        for connection in list(self._connections.values())[:requests]:
            connection.send(self._request)
            to_send -= 1
        missing = requests
        while missing:
            for number, _ in self._arrivals.poll():
                connection = self._connections[number]
                if not connection.receive():
                    continue
                missing -= 1
                if to_send:
                    to_send -= 1
                    connection.send(self._request)
        return time.perf_counter() - started

    def latencies(self, requests: int) -> list[float]:
        """How long each of so many requests took, one after the other on the first connection."""
        connection = next(iter(self._connections.values()))
        taken = []
        for _ in range(requests):
            started = time.perf_counter()
            connection.send(self._request)
            while not connection.receive():
                pass
            taken.append(time.perf_counter() - started)
        return taken

    def close(self) -> None:
        self._arrivals.close()


@contextmanager
def load(address: tuple[str, int], path: str, body: bytes, *, connections: int) -> Iterator[Load]:
    """A POST of `body` on so many connections."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    buffer = bytearray(RECEIVE_BYTES)
    with ExitStack() as opened:
        several = [Connection(address, buffer) for _ in range(connections)]
        for connection in several:
            opened.callback(connection.close)
        generator = Load(several, request)
        opened.callback(generator.close)
        yield generator


def _body_length(head: bytes, body: bytes) -> int:
    """Raises RuntimeError for an answer that is no success: its numbers would mean nothing."""
    if not (head.startswith(b"http/1.1 200 ") and head.endswith(b"\r\n\r\n")):
        raise RuntimeError(f"expected status 200, got {(head + body)[:EXCERPT]!r}")
    _, _, rest = head.partition(b"\r\ncontent-length:")
    if not rest:
        raise RuntimeError(f"expected a Content-Length, got {head!r}")
    return int(rest.partition(b"\r\n")[0])
