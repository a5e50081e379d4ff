"""The one line a plugin prints on stdout to say where it listens.

    1|1|unix|/tmp/plugin1405937478|grpc|
    core|app|network|address|protocol|certificate[|multiplexing]

Source: hashicorp/go-plugin. `Serve` in server.go writes it, `Start` in client.go reads it. Unlike the
reference, an unknown network or an unusable address is an error here, not a client without an address.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass

from graftage.errors import HandshakeError

CORE_VERSION = 1
PROTOCOL = "grpc"

# The sixth field of plugins from 2018 is 48 characters of something that never was a certificate.
LONGEST_JUNK = 50
# What the kernel takes as a socket's path, without the final NUL byte.
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107

_EXAMPLE = "1|1|unix|/tmp/plugin1405937478|grpc|"
_NUMBER = re.compile(r"[+-]?[0-9]+")
_QUOTED = 200  # enough of a stray line to recognise it
_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)


class MalformedHandshake(HandshakeError):
    """The line has fewer than four fields: it is usually a stray print or a traceback."""


class CoreVersionUnreadable(HandshakeError):
    """The first field is no number."""


class CoreVersionMismatch(HandshakeError):
    """The plugin speaks another version of the plugin system itself."""


class AppVersionUnreadable(HandshakeError):
    """The second field is no number."""


class AppVersionMismatch(HandshakeError):
    """The plugin picked an application protocol version that this host did not offer."""


class UnusableAddress(HandshakeError):
    """The plugin listens where this host cannot connect: unknown network or bad address."""


class UnsupportedProtocol(HandshakeError):
    """The plugin wants to speak something else than gRPC."""


class BadCertificate(HandshakeError):
    """The sixth field is too long for anything but a certificate, and is none."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Where a plugin listens and what it speaks there.

    version: the application protocol version the plugin picked. certificate: the DER bytes of its own
    certificate, None without TLS. multiplex: can it carry further connections over this one; None when
    it did not say.
    """

    version: int
    network: str
    address: str
    certificate: bytes | None = None
    multiplex: bool | None = None


class UnfitHandshake(HandshakeError):
    """The line is a handshake, but does not answer what this host asked for."""

    def __init__(self, message: str, handshake: Handshake) -> None:
        super().__init__(message)
        self.handshake = handshake


class UnexpectedCertificate(UnfitHandshake):
    """The plugin wants TLS, which this host did not ask for."""


class MissingCertificate(UnfitHandshake):
    """The host wants TLS, and the plugin did not answer with a certificate."""


class MultiplexingUnsupported(UnfitHandshake):
    """The host wants one connection for everything, which the plugin cannot do or never heard of."""


class MultiplexingUnreadable(UnfitHandshake):
    """The seventh field, which the host asked for, is no boolean word."""


def parse_handshake(
    line: bytes, *, offered: Collection[int], tls: bool | None = None, multiplex: bool = False
) -> Handshake:
    """Read the first line of a plugin's stdout.

    offered: the application protocol versions that the host can speak. tls: did the host ask for it; None
    takes either answer. multiplex: did the host ask for it. Raises one of the subclasses of HandshakeError
    above, quoting the line, because the plugin's author needs to see what was printed.
    """
    text = line.decode("utf-8", "surrogateescape").strip()
    fields = text.split("|")
    if len(fields) < 4:
        raise MalformedHandshake(
            f"expected a handshake such as {_EXAMPLE!r} as the first line on stdout, got {quoted(line)}; "
            "a plugin prints nothing before it and logs to stderr only"
        )
    core, app, network, address, *rest = fields
    protocol = rest[0] if rest else "netrpc"

    _check_core(core, line)
    version = _app_version(app, offered, line)
    _check_address(network, address, line)
    if protocol != PROTOCOL:
        raise UnsupportedProtocol(
            f"expected the plugin to speak 'grpc', got {_shown(protocol)} in {quoted(line)}; "
            "serve it with gRPC, the only protocol of this host"
        )
    certificate = _read_certificate(rest[1] if len(rest) > 1 else "", line)
    answer = rest[2] if len(rest) > 2 else ""
    handshake = Handshake(version, network, address, certificate, _BOOLEANS.get(answer))
    _check_tls(handshake, tls, line)
    if multiplex:
        _check_multiplexing(handshake, answer, line)
    return handshake


def format_handshake(
    version: int, network: str, address: str, *, certificate: bytes = b"", multiplex: bool | None = None
) -> bytes:
    """The line to print, with its LF.

    certificate: the plugin's own, DER, when the host asked for TLS. multiplex: what to answer a host that
    asked for it; None when it did not. Hosts that did not ask would take a seventh field for a part of the
    certificate.
    """
    if any(mark in network + address for mark in "|\r\n"):
        raise ValueError(f"a handshake cannot carry the address {network!r} {address!r}: it has no escaping")
    own = base64.b64encode(certificate).decode("ascii").rstrip("=")
    fields = [str(CORE_VERSION), str(version), network, address, PROTOCOL, own]
    if multiplex is not None:
        fields.append("true" if multiplex else "false")
    return "|".join(fields).encode("utf-8", "surrogateescape") + b"\n"


def is_true(word: str) -> bool:
    """Is this one of the words for yes? Anything that is no boolean word is none. Source: Go's ParseBool."""
    return _BOOLEANS.get(word, False)


def quoted(line: bytes) -> str:
    """A line as an error message shows it: escaped, and shortened when it is long."""
    if len(line) <= _QUOTED:
        return _shown(line.decode("utf-8", "surrogateescape"))
    start = _shown(line[:_QUOTED].decode("utf-8", "replace"))
    return f"{start}... ({len(line)} bytes)"


def _shown(text: str) -> str:
    """`text` in quotes; `repr` writes broken UTF-8 as escapes, so that every log can print it."""
    short = text if len(text) <= _QUOTED else text[:_QUOTED] + "..."
    return repr(short)


def _check_core(core: str, line: bytes) -> None:
    number = _number(core)
    if number is None:
        raise CoreVersionUnreadable(
            f"expected the core protocol version {CORE_VERSION} in the first field, got {_shown(core)} "
            f"in {quoted(line)}; the line must look like {_EXAMPLE!r}"
        )
    if number != CORE_VERSION:
        raise CoreVersionMismatch(
            f"the plugin speaks core protocol {number}, this host {CORE_VERSION} (got {quoted(line)}); "
            "rebuild the plugin with a matching plugin library"
        )


def _app_version(app: str, offered: Collection[int], line: bytes) -> int:
    version = _number(app)
    if version is None:
        raise AppVersionUnreadable(
            f"expected an application protocol version in the second field, got {_shown(app)} "
            f"in {quoted(line)}; the line must look like {_EXAMPLE!r}"
        )
    if version not in offered:
        ours = ", ".join(str(own) for own in sorted(offered))
        raise AppVersionMismatch(
            f"the plugin speaks application protocol {version}, this host {ours} (got {quoted(line)}); "
            "use a release of the plugin that speaks one of these"
        )
    return version


def _number(text: str) -> int | None:
    """A decimal number with an optional sign, None for anything else or beyond 64 bits (as Go's Atoi)."""
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 19:
        return None
    value = -int(digits) if text.startswith("-") else int(digits)
    return value if -(2**63) <= value < 2**63 else None


def address_problem(network: str, address: str) -> str:
    """Why nothing can be reached at this address; empty when nothing speaks against it."""
    match network:
        case "unix":
            return _unix_problem(address)
        case "tcp":
            return _tcp_problem(address)
        case _:
            return f"the network {_shown(network)} is unknown, expected 'unix' or 'tcp'"


def _check_address(network: str, address: str, line: bytes) -> None:
    if problem := address_problem(network, address):
        raise UnusableAddress(
            f"{problem} (got {quoted(line)}); the plugin must print where it really listens"
        )


def _unix_problem(address: str) -> str:
    """Why no Unix socket can be reached under this address; empty when nothing speaks against it."""
    size = len(address.encode("utf-8", "surrogateescape"))
    if not address or address == "@":
        return "the socket's path is empty"
    if "\0" in address or not _is_unicode(address):
        return f"the socket's path {_shown(address)} has bytes that are no UTF-8 text"
    if size > SOCKET_PATH_BYTES:
        return f"the socket's path {_shown(address)} has {size} bytes, the system allows {SOCKET_PATH_BYTES}"
    if address.startswith("@") and not sys.platform.startswith("linux"):
        return f"the abstract socket {_shown(address)} exists on Linux only"
    return ""


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _tcp_problem(address: str) -> str:
    """Why no TCP connection can be made to this address; empty when nothing speaks against it."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return f"the address {_shown(address)} has no port, expected host:port"
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return f"the port {_shown(port)} is no number from 1 to 65535"
    if host.startswith("[") and host.endswith("]"):
        return "" if _is_ipv6(host[1:-1]) else f"{_shown(host)} is no IPv6 address"
    if not host.isprintable() or set(host) & set(" :[]/"):
        return f"the host name {_shown(host)} cannot be read (an IPv6 address needs brackets)"
    return ""


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _check_tls(handshake: Handshake, asked: bool | None, line: bytes) -> None:
    if asked is False and handshake.certificate is not None:
        raise UnexpectedCertificate(
            f"the plugin sent a certificate, but this host did not ask for TLS (got {quoted(line)}); "
            "leave the sixth field empty unless PLUGIN_CLIENT_CERT is set",
            handshake,
        )
    if asked and handshake.certificate is None:
        raise MissingCertificate(
            f"this host asked for TLS, but the plugin sent no certificate (got {quoted(line)}); "
            "turn automatic TLS off for this plugin, or use a release of it that knows PLUGIN_CLIENT_CERT",
            handshake,
        )


def _check_multiplexing(handshake: Handshake, answer: str, line: bytes) -> None:
    if answer and answer not in _BOOLEANS:
        raise MultiplexingUnreadable(
            f"expected true or false in the seventh field, got {_shown(answer)} in {quoted(line)}; "
            "it answers PLUGIN_MULTIPLEX_GRPC",
            handshake,
        )
    if not handshake.multiplex:
        raise MultiplexingUnsupported(
            f"this host asked for multiplexing, which the plugin does not support (got {quoted(line)}); "
            "turn multiplexing off for this plugin, or use a release of it that knows PLUGIN_MULTIPLEX_GRPC",
            handshake,
        )


def _read_certificate(field: str, line: bytes) -> bytes | None:
    if len(field) <= LONGEST_JUNK:
        return None
    try:
        der = base64.b64decode(field + "=" * (-len(field) % 4), validate=True)
    except (binascii.Error, ValueError):
        der = b""
    if not is_one_der_sequence(der):
        raise BadCertificate(
            f"the sixth field of the handshake ({len(field)} characters) is no certificate, expected "
            f"unpadded base64 of one DER certificate (got {quoted(line)}); leave it empty without TLS"
        )
    return der


def is_one_der_sequence(der: bytes) -> bool:
    """Is this exactly one DER sequence? What is inside it is for the TLS library to judge."""
    if len(der) < 2 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    width = der[1] & 0x7F
    return 0 < width <= 4 and len(der) == 2 + width + int.from_bytes(der[2 : 2 + width], "big")
