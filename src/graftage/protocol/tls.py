"""TLS between a host and its plugin: both show a certificate, and trust the other's and no other.

OpenSSL does it, through Python's `ssl`: gRPC's own TLS cannot use keys on P-521, which every peer has.

Source: hashicorp/go-plugin, client.go and server.go (the `tls.Config` of AutoMTLS).
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from graftage.errors import GraftageError, SettingsError
from graftage.protocol.certificate import NAME, Identity, to_pem

ALPN = ["h2"]  # Go's gRPC refuses connections that did not agree on it


class UnusableCertificate(GraftageError):
    """The TLS library cannot work with the peer's certificate."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a side needs for connections in either direction: who connects is the client, whoever it is."""

    client: ssl.SSLContext = field(repr=False)
    server: ssl.SSLContext = field(repr=False)


def credentials(own: Identity, trusted: Sequence[bytes]) -> Credentials:
    """Contexts that show our certificate and trust these alone (DER).

    Raises UnusableCertificate, or SettingsError when there is no place for a private file.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate with the peer's name
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_REQUIRED
    server.num_tickets = 0  # nobody resumes a session of a connection that is made once
    for context in (client, server):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(ALPN)
        # The peer's certificate is what is trusted, whether or not it may sign others.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=b"".join(trusted))
        except ssl.SSLError as error:
            raise UnusableCertificate(
                f"expected an X.509 certificate from the other process, got {len(trusted)} of "
                f"{sum(map(len, trusted))} bytes that cannot be read: {error.reason or error}"
            ) from error
    _show(own, (client, server))
    return Credentials(client, server)


def checked_name(server_side: bool, name: str = "") -> str | None:
    """What the peer's certificate must be for: `name`, or else `NAME`; a client's is not looked at."""
    return None if server_side else name or NAME


def _show(own: Identity, contexts: Sequence[ssl.SSLContext]) -> None:
    """Give the contexts our certificate and its key.

    OpenSSL's wrapper takes them from a file only: one that nobody else can read, and that is gone at once.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="graftage-") as folder:  # mode 0700
            path = os.path.join(folder, "own.pem")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(own.key + to_pem(own.certificate).encode("ascii"))
            for context in contexts:
                context.load_cert_chain(path)
    except OSError as error:
        raise SettingsError(
            f"no private file for a key can be made: {error}; set TMPDIR to a folder that can be written"
        ) from error
