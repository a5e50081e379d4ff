"""Grafana's secure SOCKS proxy: SOCKS version 5 inside of TLS 1.3 in which both sides show a certificate.

    ours                                   proxy's
    05 02 00 02                            05 02              methods; the proxy picks none or a password
    01 len user len password               01 00              only then
    05 01 00 03 len host port              05 00 00 01 …      connect; then the bytes are the server's

Source: RFC 1928, RFC 1929; grafana/grafana-plugin-sdk-go, backend/proxy (variables, `getTLSDialer`).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from graftage.errors import SettingsError
from graftage.sdk.errors import DownstreamError
from graftage.sdk.http_settings import Login

PREFIX = "GF_SECURE_SOCKS_DATASOURCE_PROXY_"
NONE, PASSWORD = 0, 2
_ADDRESS_BYTES = {1: 4, 4: 16}  # IPv4, IPv6; a name says its own length
_LONGEST = 255
_REFUSALS = {
    1: "it failed",
    2: "its rules do not allow this connection",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "the time to live ran out",
    7: "it does not know the command",
    8: "it does not know this type of address",
}

Handshake: TypeAlias = "Generator[tuple[bytes, int], bytes, None]"


class SocksError(DownstreamError):
    """The secure SOCKS proxy does not connect."""


@dataclass(frozen=True, slots=True)
class SocksProxy:
    """tls: None where the operator allows a proxy without. server_name: which the proxy's certificate has."""

    host: str
    port: int
    login: Login
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    server_name: str = ""


def socks_proxy(
    login: Login, config: Mapping[str, str], environment: Mapping[str, str] = os.environ
) -> SocksProxy | None:
    """The proxy of this Grafana; None when its operator offers none, as data sources then go without.

    config: what the host tells with a call, which counts more than the environment. Raises SettingsError for
    what cannot be used.
    """

    def told(name: str) -> str:
        return config.get(PREFIX + name) or environment.get(PREFIX + name, "")

    if told("SERVER_ENABLED").lower() not in ("true", "1", "t") or not told("PROXY_ADDRESS"):
        return None
    host, colon, port = told("PROXY_ADDRESS").rpartition(":")
    if not (colon and port.isdecimal()):
        raise SettingsError(
            f"{PREFIX}PROXY_ADDRESS is {told('PROXY_ADDRESS')!r}; expected a host and a port, as host:1080"
        )
    host = host.removeprefix("[").removesuffix("]")
    if told("ALLOW_INSECURE").lower() in ("true", "1", "t"):
        return SocksProxy(host, int(port), login)
    authorities = told("ROOT_CA_CERT_VALS") or "\n".join(map(_read, told("ROOT_CA_CERT").split()))
    certificate = told("CLIENT_CERT_VAL") or _read(told("CLIENT_CERT"))
    key = told("CLIENT_KEY_VAL") or _read(told("CLIENT_KEY"))
    return SocksProxy(
        host, int(port), login, _tls(authorities, certificate, key), told("SERVER_NAME") or host
    )


def handshake(host: str, port: int, login: Login) -> Handshake:
    """The conversation with the proxy: yields what to send, and how many bytes are then to be read, which are
    sent back in. Raises SocksError when the proxy refuses."""
    version, method = yield bytes((5, 2, NONE, PASSWORD)), 2
    if version != 5:
        raise SocksError("the secure SOCKS proxy answered in another protocol than SOCKS 5")
    if method == PASSWORD:
        user, password = _short("user", login.user), _short("password", login.password)
        _, status = yield b"\x01" + user + password, 2
        if status:
            raise SocksError("the secure SOCKS proxy does not accept the user and the password")
    elif method != NONE:
        raise SocksError("the secure SOCKS proxy accepts no way to log in that is known here")
    request = b"\x05\x01\x00\x03" + _short("host", host) + port.to_bytes(2, "big")
    _, refusal, _, kind = yield request, 4
    if refusal:
        reason = _REFUSALS.get(refusal, f"reason {refusal}")
        raise SocksError(f"the secure SOCKS proxy does not connect to {host}:{port}: {reason}")
    size = _ADDRESS_BYTES.get(kind) or (yield b"", 1)[0]
    yield b"", size + 2  # where it connected from; nobody needs that


def _short(what: str, text: str) -> bytes:
    data = text.encode()
    if len(data) > _LONGEST:
        raise SettingsError(f"the {what} for the secure SOCKS proxy has {len(data)} bytes, above {_LONGEST}")
    return bytes((len(data),)) + data


def _tls(authorities: str, certificate: str, key: str) -> ssl.SSLContext:
    from graftage.sdk.http_tls import show

    if not (authorities and certificate and key):
        raise SettingsError(
            f"the secure SOCKS proxy needs {PREFIX}ROOT_CA_CERT, {PREFIX}CLIENT_CERT and {PREFIX}CLIENT_KEY, "
            "or the same with _VAL and their contents"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(f"{PREFIX}ROOT_CA_CERT holds no certificates in PEM: {error}") from None
    show(context, certificate, key, what=f"{PREFIX}CLIENT_CERT and {PREFIX}CLIENT_KEY")
    return context


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"a certificate of the secure SOCKS proxy cannot be read: {error}") from error
