"""A plugin on the network, and how it is reached: with TLS, or in the open where somebody asked for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graftage.errors import SettingsError
from graftage.protocol.forwarding import Dial, dialer
from graftage.protocol.handshake import address_problem
from graftage.protocol.network_tls import TlsFiles, client_context, is_loopback, split_address
from graftage.protocol.tls_connection import secured


class NotSecured(SettingsError):
    """The plugin is on another machine, and nobody said how, or that nothing, is to be secured."""


@dataclass(frozen=True, slots=True)
class NetworkPeer:
    """Where a plugin is. Raises SettingsError for what cannot work.

    address: `host:port`. tls: None to speak in the open, which has to be asked for with `is_open` unless the
    address is of this machine. server_name: what its certificate is for, unless that is the address's host.
    """

    address: str
    tls: TlsFiles | None = None
    server_name: str = ""
    is_open: bool = False

    def __post_init__(self) -> None:
        if problem := address_problem("tcp", self.address):
            raise SettingsError(f"no plugin can be reached at {self.address!r}: {problem}")
        if self.is_open and self.tls is not None:
            raise SettingsError(
                f"TLS for the plugin at {self.address} is both set up and switched off; keep one of the two"
            )
        if self.tls is None and not self.is_open and not is_loopback(split_address(self.address)[0]):
            raise NotSecured(
                f"the plugin at {self.address} is not on this machine: name a certificate, its key and the "
                "authority (tls_cert, tls_key, tls_ca), or say tls = false to send queries and secrets in "
                "the open"
            )

    def security(self) -> Callable[[Dial], Dial]:
        """Puts TLS over connections, if it is set up. The files are read now. Raises SettingsError."""
        if self.tls is None:
            return lambda dial: dial
        context = client_context(self.tls)
        name = self.server_name or split_address(self.address)[0]
        return lambda dial: secured(dial, context, name=name)

    def dial(self) -> Dial:
        """Connects to the plugin. Raises SettingsError."""
        return self.security()(dialer("tcp", self.address))


def peer_from(
    address: str,
    *,
    tls: bool | None = None,
    files: TlsFiles | None = None,
    server_name: str = "",
) -> NetworkPeer:
    """A peer from settings. tls: None where nothing was said; then a named file or server name asks for it.

    Raises SettingsError.
    """
    files = files or TlsFiles()
    is_wanted = tls is True or files != TlsFiles() or server_name != ""
    return NetworkPeer(address, files if is_wanted else None, server_name, is_open=tls is False)
