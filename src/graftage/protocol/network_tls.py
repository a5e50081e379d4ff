"""TLS between machines: certificates that an operator made, from files.

Both sides show a certificate and trust one authority. It is not the TLS of a plugin that its host launched:
there each side makes a certificate for the one run, and they are exchanged in the handshake.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from graftage.errors import SettingsError
from graftage.protocol.tls import ALPN


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: our certificate (with those between it and the authority), its key, and the authority whose
    certificates are trusted. Raises SettingsError for a certificate without its key, and the reverse.
    """

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            given, missing = ("certificate", "key") if self.key is None else ("key", "certificate")
            raise SettingsError(f"TLS was given a {given} but no {missing}; name both files")


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For whoever connects. Without an authority those that the system trusts are trusted.

    Raises SettingsError naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate with the peer's name
    if files.authority is None:
        context.load_default_certs()
    _set_up(context, files)
    return context


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For whoever listens: a client without a certificate of the authority is turned away.

    Raises SettingsError naming what is missing or cannot be used.
    """
    if files.certificate is None or files.authority is None:
        missing = "a certificate and its key" if files.certificate is None else "an authority to trust"
        raise SettingsError(f"to listen with TLS takes {missing}; name the PEM files")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    _set_up(context, files)
    return context


def is_loopback(host: str) -> bool:
    """Does this host's name or address mean this machine alone?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(text: str) -> tuple[str, int]:
    """Host, without the brackets of an IPv6 address, and port of `host:port`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    is_fit = _is_ipv6(host[1:-1]) if is_bracketed else host.isprintable() and not set(host) & set(" :[]/")
    if not (is_fit and colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"expected host:port, got {text!r}")
    return host.strip("[]"), int(port)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _set_up(context: ssl.SSLContext, files: TlsFiles) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(ALPN)
    if files.authority is not None:
        try:
            context.load_verify_locations(cafile=os.fspath(files.authority))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"expected certificates in PEM in {files.authority}, the authority to trust: {_words(error)}"
            ) from error
    if files.certificate is not None and files.key is not None:
        try:
            # Without a password at hand, the library would ask for one on the terminal.
            context.load_cert_chain(files.certificate, files.key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"expected a certificate in {files.certificate} and its key, unencrypted, in {files.key}, "
                f"both in PEM: {_words(error)}"
            ) from error


def _no_password() -> str:
    return ""


def _words(error: OSError) -> str:
    """The reason without the library's line numbers."""
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return str(reason).replace("_", " ").lower() if isinstance(error, ssl.SSLError) else str(reason)
