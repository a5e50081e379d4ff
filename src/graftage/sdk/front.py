"""What stands before a plugin's gRPC server when the host asked for TLS, for multiplexing, or for both.

gRPC itself listens on a private socket then. The advertised one is ours, and a bridge leads from there.

Source: hashicorp/go-plugin, server.go (`Serve`), internal/grpcmux/grpc_server_muxer.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc.aio

from graftage.errors import SettingsError
from graftage.protocol.bridge import Inlet
from graftage.protocol.broker import Broker
from graftage.protocol.certificate import BadCertificateText, from_pem, make_identity
from graftage.protocol.channel import target
from graftage.protocol.environment import CLIENT_CERT
from graftage.protocol.private_folder import PrivateFolder
from graftage.protocol.socket_listener import SocketListener
from graftage.protocol.tls import Credentials, UnusableCertificate, credentials
from graftage.protocol.wiring import Listens, Wiring
from graftage.protocol.yamux_session import Session
from graftage.sdk.listener import Address

CONNECT_SECONDS = 15.0  # a host that wants multiplexing connects at once; one that has not is gone
_CLOSE_SECONDS = 0.2


class Front:
    """client_cert: the host's certificate in PEM; empty without TLS. multiplex: take one connection, which
    carries all others. Raises SettingsError when the certificate cannot be used.

    certificate: our own, DER, empty without TLS.
    """

    def __init__(self, client_cert: str, *, multiplex: bool) -> None:
        self.certificate = b""
        self._folder = PrivateFolder()
        self._credentials = self._exchange(client_cert) if client_cert else None
        self._session = Session(client=False) if multiplex else None
        self._inlet: Inlet | None = None
        self._listener = SocketListener()
        self._limit: asyncio.TimerHandle | None = None

    def stand_before(self, server: grpc.aio.Server, listen: Callable[[Listens], Address]) -> Address:
        """Make the server listen in private, and this front where the plan says."""
        path = self._folder.socket()
        server.add_insecure_port(target("unix", path))
        self._inlet = Inlet(path, self._credentials.server if self._credentials else None)
        return listen(self._listener)

    def wiring(self, listen: Callable[[Listens], Address]) -> Wiring:
        """How a broker makes further connections."""
        return Wiring(listen, self._folder, self._credentials, self._session)

    def open(self, broker: Callable[[], Broker], gone: Callable[[str], None]) -> None:
        """Take connections. gone: called, with the reason, when there will never be another one."""
        assert self._inlet is not None, "it stands before a server"
        if self._session is None:
            self._listener.serve(self._inlet.connection)
            return
        session, inlet = self._session, self._inlet
        session.take = lambda stream: broker().take_stream(stream, inlet)
        session.ended.add_done_callback(lambda ended: gone(f"the host's connection ended: {ended.result()}"))
        self._listener.serve(self._only_connection)
        self._limit = asyncio.get_running_loop().call_later(
            CONNECT_SECONDS, gone, f"no host has connected within {CONNECT_SECONDS:g} s"
        )

    async def close(self) -> None:
        """End all connections, now."""
        if self._limit is not None:
            self._limit.cancel()
        await self._listener.close()
        if self._inlet is not None:
            await self._inlet.close()
        if self._session is not None and self._session.connected.done():
            self._session.close()
            await asyncio.wait({self._session.ended}, timeout=_CLOSE_SECONDS)
        self.remove()

    def remove(self) -> None:
        """Take the private sockets away."""
        self._folder.remove()

    def _only_connection(self) -> asyncio.Protocol:
        """The protocol of the host's one connection; whoever else comes is turned away."""
        assert self._session is not None
        if self._limit is None:
            return _TurnedAway()
        self._limit.cancel()
        self._limit = None
        return self._session

    def _exchange(self, client_cert: str) -> Credentials:
        identity = make_identity()
        self.certificate = identity.certificate
        try:
            return credentials(identity, from_pem(client_cert))
        except (BadCertificateText, UnusableCertificate) as error:
            raise SettingsError(
                f"{CLIENT_CERT} asks for TLS, but holds no usable certificate of the host: {error}"
            ) from error


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
