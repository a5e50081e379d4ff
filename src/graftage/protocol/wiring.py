"""How a host and its plugin are connected: what a broker needs to make more connections of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a plugin that is asked for nothing of this loads nothing for it
    from graftage.protocol.private_folder import PrivateFolder
    from graftage.protocol.tls import Credentials
    from graftage.protocol.yamux_session import Session


class Listens(Protocol):
    """What can be told to listen somewhere, in gRPC's words."""

    def add_insecure_port(self, address: str) -> int: ...


class Advertised(Protocol):
    """Where something listens, in the words of a handshake."""

    @property
    def network(self) -> str: ...

    @property
    def address(self) -> str: ...

    def remove(self) -> None:
        """Take the socket away."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """How this side and the other are connected.

    listen: makes something listen where the other side can connect. credentials: for TLS, None without.
    session: the connection that carries all others, None when each has its own. folder: for the sockets
    between gRPC and those, None if there are none.
    """

    listen: Callable[[Listens], Advertised]
    folder: PrivateFolder | None = None
    credentials: Credentials | None = None
    session: Session | None = None
