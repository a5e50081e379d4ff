"""How a plugin is launched: limits in time, memory and rate, and what it finds in its environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graftage.errors import SettingsError
from graftage.host.copies import Copies
from graftage.protocol.environment import DEFAULT_PORTS, SOCKET_DIR
from graftage.protocol.handshake import SOCKET_PATH_BYTES

# Less what the host and the plugin put behind the folder: "/plugin-dir0a1b2c3d/plugin1234567890".
SOCKET_DIR_BYTES = SOCKET_PATH_BYTES - 36


def usual_socket_dir() -> Path | None:
    """The operator's folder for sockets, else the one for temporary files; None if its path is too long.

    A folder of its own for each process is private, and can be removed whole when the process died before it
    could say where its socket is.
    """
    folder = Path(os.environ.get(SOCKET_DIR) or tempfile.gettempdir())
    return folder if has_room_for_sockets(folder) else None


def has_room_for_sockets(folder: Path) -> bool:
    """Is the folder's path short enough for those of sockets in it?"""
    return len(bytes(folder.absolute())) <= SOCKET_DIR_BYTES


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """Seconds, bytes and lines; the defaults are those of hashicorp/go-plugin where it has one.

    start_timeout: from the start to the handshake. connect_timeout: from the handshake to the first answer,
    if less than that is left of `start_timeout`. stop_grace: for the plugin to end when asked to; term_grace:
    after SIGTERM, before SIGKILL. reconnect_timeout: how long a broken connection may stay so before the
    plugin is taken for dead. socket_dir: under it, each process gets a folder of its own for its sockets;
    None leaves the choice to the plugin. ports: the first and the last for a plugin that listens on TCP; not
    every plugin keeps to them. environment: for the plugin, over the host's own; may hold secrets.
    log_line_limit: a longer line is logged in pieces. log_rate, log_burst: lines a second that are logged, in
    the long run and at once. output_rate: bytes a second that are read of each pipe. receive_bytes: the
    largest answer taken. copies: who else gets what the plugin writes. shared_group: leave the plugin in the
    host's process group, for one that needs the terminal; what is sent to that group reaches it, too.
    auto_mtls: TLS with certificates made for this one run. multiplex: a single connection that carries all
    others. A plugin that does not know of one of these is refused.
    """

    start_timeout: float = 60.0
    connect_timeout: float = 5.0
    stop_grace: float = 2.0
    term_grace: float = 1.0
    reconnect_timeout: float = 10.0
    socket_dir: Path | None = None
    ports: tuple[int, int] = DEFAULT_PORTS
    inherit_environment: bool = True
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    log_line_limit: int = 1024 * 1024
    log_rate: float = 1000.0
    log_burst: float = 5000.0
    output_rate: float = 16 * 1024 * 1024
    receive_bytes: int = 2**31 - 1
    copies: Copies = field(default_factory=Copies)
    shared_group: bool = False
    auto_mtls: bool = False
    multiplex: bool = False

    def __post_init__(self) -> None:
        first, last = self.ports
        if not 0 < first <= last < 65536:
            raise SettingsError(
                f"plugins cannot listen on ports from {first} to {last}; name two from 1 to 65535"
            )
        if self.socket_dir is not None and not has_room_for_sockets(self.socket_dir):
            raise SettingsError(
                f"the path of the folder for sockets, {self.socket_dir.absolute()}, is longer than the "
                f"{SOCKET_DIR_BYTES} bytes that leave room for their names; choose a shorter one"
            )
