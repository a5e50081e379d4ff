"""The socket that the server listens on."""

from __future__ import annotations

import socket

from graftage.config import Address
from graftage.errors import SettingsError

BACKLOG = 2048


def listen(address: Address) -> socket.socket:
    """Listen there, so that whoever connects from now on is served in the end.

    Raises SettingsError when that is not possible, such as when another program listens there.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise SettingsError(f"cannot listen on {address}: {error.strerror}") from error
    # `localhost` has addresses of both families. Like Go, take the older one: more clients try it.
    family, kind, protocol, _, target = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {address}: {error.strerror}; --address names another one"
        ) from error
    return listener


def url_of(listener: socket.socket, address: Address) -> str:
    """Where a program on this machine reaches the server."""
    port = listener.getsockname()[1]
    host = "localhost" if address.host in ("0.0.0.0", "::") else address.host
    return f"http://{Address(host, port)}"
