"""Where a plugin listens: a Unix socket of its own, or a TCP port where the system has no such sockets.

Source: hashicorp/go-plugin, server.go (`serverListener_unix`, `serverListener_tcp`). It uses TCP on Windows
only; here a sandbox that forbids Unix sockets is no obstacle either, as every host accepts both.

The values here are named tuples: each dataclass would hold up the handshake by most of a millisecond.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

from graftage.errors import SettingsError
from graftage.protocol.environment import MAX_PORT, MIN_PORT, SOCKET_DIR, SOCKET_GROUP
from graftage.protocol.handshake import SOCKET_PATH_BYTES

LOOPBACK = "127.0.0.1"
GROUP_MODE = 0o660
ATTEMPTS = 100  # names that may be taken before something is wrong


class Server(Protocol):
    """The part of a gRPC server that listens."""

    def add_insecure_port(self, address: str) -> int: ...


class UnixPlan(NamedTuple):
    """A socket in `directory`, open to `group` (a name or a number) when that is not empty."""

    directory: str
    group: str = ""


class TcpPlan(NamedTuple):
    """The first free port of this inclusive range on the loopback address; 0 to 0 means any port."""

    first: int
    last: int


class Address(NamedTuple):
    """Where the server listens, in the words of the handshake."""

    network: str
    address: str

    def remove(self) -> None:
        """Take the socket file away, if there is one left."""
        if self.network == "unix":
            with suppress(OSError):
                os.unlink(self.address)


def plan(environment: Mapping[str, str], *, unix_sockets: bool) -> UnixPlan | TcpPlan:
    """How to listen in this environment. Raises SettingsError naming the variable that cannot be followed."""
    directory, group = environment.get(SOCKET_DIR, ""), environment.get(SOCKET_GROUP, "")
    if unix_sockets:
        return UnixPlan(directory or temporary_directory(environment), group)
    if directory or group:
        name = SOCKET_DIR if directory else SOCKET_GROUP
        raise SettingsError(
            f"{name} asks for a Unix socket, but this system offers none; unset it to use TCP"
        )
    first, last = _port(environment, MIN_PORT), _port(environment, MAX_PORT)
    if first > last:
        raise SettingsError(f"{MIN_PORT} is {first}, above {MAX_PORT}, which is {last}; swap them")
    return TcpPlan(first, last)


def unix_sockets_work() -> bool:
    """Can this process make Unix sockets? Windows and some service sandboxes say no."""
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()
    except (AttributeError, OSError):
        return False
    return True


def temporary_directory(environment: Mapping[str, str]) -> str:
    """Where temporary files go: the answer of `tempfile.gettempdir`, without 10 ms of imports before the
    handshake and without writing a file."""
    wanted = [environment.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    for directory in (*wanted, "/tmp", "/var/tmp", "/usr/tmp", os.getcwd()):
        if directory and os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK):
            return os.path.abspath(directory)
    raise SettingsError("no directory for the plugin's socket can be written; set TMPDIR to one that can")


def listen(server: Server, where: UnixPlan | TcpPlan) -> Address:
    """Make the server listen there. Raises SettingsError when nothing of the plan works."""
    match where:
        case UnixPlan():
            return _listen_unix(server, where)
        case TcpPlan():
            return _listen_tcp(server, where)


def _listen_unix(server: Server, where: UnixPlan) -> Address:
    group = _group_id(where.group) if where.group else None
    path = _free_path(os.path.abspath(where.directory))  # the host may be in another directory
    address = Address("unix", path)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise SettingsError(
            f"cannot listen on {path}: {error}; is {where.directory} a directory that this user can write?"
        ) from error
    if group is not None:
        try:
            os.chown(path, -1, group)
            os.chmod(path, GROUP_MODE)
        except OSError as error:
            address.remove()
            raise SettingsError(
                f"cannot give {path} to the group {where.group!r} of {SOCKET_GROUP}: {error}"
            ) from error
    return address


def _free_path(directory: str) -> str:
    """A path for a socket that does not exist yet: gRPC would take a socket that does for a leftover."""
    for _ in range(ATTEMPTS):
        path = os.path.join(directory, f"plugin{int.from_bytes(os.urandom(8), 'big') % 10**10}")
        size = len(os.fsencode(path))
        if size > SOCKET_PATH_BYTES:
            raise SettingsError(
                f"the socket's path {path} has {size} bytes, the system allows {SOCKET_PATH_BYTES}; "
                f"set {SOCKET_DIR} or TMPDIR to a shorter directory"
            )
        if not os.path.lexists(path):
            return path
    raise SettingsError(f"no free name for a socket was found in {directory}")


def _group_id(group: str) -> int:
    if group.isdecimal():
        return int(group)
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise SettingsError(f"the group {group!r} of {SOCKET_GROUP} does not exist") from None


def _listen_tcp(server: Server, where: TcpPlan) -> Address:
    for port in range(where.first, where.last + 1):
        if port and not _is_free(port):
            continue
        try:
            bound = server.add_insecure_port(f"{LOOPBACK}:{port}")
        except RuntimeError:  # somebody was quicker
            continue
        return Address("tcp", f"{LOOPBACK}:{bound}")
    raise SettingsError(
        f"no port from {where.first} to {where.last} is free on {LOOPBACK}; widen {MIN_PORT} and {MAX_PORT}"
    )


def _is_free(port: int) -> bool:
    """Can this port be bound? Asked first, because gRPC complains on stderr about each that cannot."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _port(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise SettingsError(f"{name} is {text!r}; expected a port number")
    return int(text)
