"""TLS between two sides that trust each other's certificate and no other, over sockets and their likes."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from graftage.errors import SettingsError
from graftage.protocol import tls_connection
from graftage.protocol.certificate import Identity, make_identity
from graftage.protocol.forwarding import Dial, dialer
from graftage.protocol.socket_listener import SocketListener
from graftage.protocol.tls import UnusableCertificate, credentials
from graftage.protocol.tls_connection import TlsConnection, secured
from support.wait import eventually_async

HOST, PLUGIN, STRANGER = make_identity(), make_identity(), make_identity()


@dataclass
class Talk(asyncio.Protocol):
    """Keeps what it is told; answers with the same in capitals."""

    heard: bytearray = field(default_factory=bytearray)
    error: list[Exception | None] = field(default_factory=list)
    transport: TlsConnection | None = None
    answers: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsConnection)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if self.answers and self.transport is not None:
            self.transport.write(data.upper())

    def connection_lost(self, error: Exception | None) -> None:
        self.error.append(error)


@asynccontextmanager
async def listening(path: str, own: Identity, trusted: Identity) -> AsyncIterator[list[Talk]]:
    """A TLS server; the list is of those who are connected to it."""
    talks: list[Talk] = []
    context = credentials(own, [trusted.certificate]).server

    def connection() -> asyncio.Protocol:
        talks.append(Talk(answers=True))
        return TlsConnection(context, talks[-1], server_side=True)

    listener = SocketListener()
    listener.add_insecure_port(f"unix:{path}")
    listener.serve(connection)
    try:
        yield talks
    finally:
        await listener.close()
        for talk in talks:
            if talk.transport is not None:
                talk.transport.abort()
        await asyncio.sleep(0)


async def refusal(dial: Dial, talk: Talk) -> str:
    """Why a client is not let through. It may hear of that only after it was connected."""
    try:
        await dial(talk)
    except OSError as error:
        return str(error)
    await eventually_async(lambda: talk.error)
    return str(talk.error[0])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return os.path.relpath(tmp_path / "socket")


async def test_both_sides_show_who_they_are_and_talk(path: str) -> None:
    talk = Talk()
    async with listening(path, PLUGIN, HOST) as others:
        await secured(dialer("unix", path), credentials(HOST, [PLUGIN.certificate]).client)(talk)
        assert talk.transport is not None
        talk.transport.write(b"hello " * 100_000)
        await eventually_async(lambda: len(talk.heard) == 600_000)
        assert talk.heard == b"HELLO " * 100_000
        talk.transport.close()
        await eventually_async(lambda: others[0].error and talk.error)
        assert (others[0].error, talk.error) == ([None], [None])


@pytest.mark.parametrize(
    ("own", "trusted", "complaint"),
    [(HOST, STRANGER, "certificate verify failed"), (STRANGER, PLUGIN, "alert|reset|ended")],
    ids=["another server", "another client"],
)
async def test_nobody_else_gets_through(path: str, own: Identity, trusted: Identity, complaint: str) -> None:
    talk = Talk()
    async with listening(path, PLUGIN, HOST) as others:
        dial = secured(dialer("unix", path), credentials(own, [trusted.certificate]).client)
        assert re.search(complaint, await refusal(dial, talk))
        await eventually_async(lambda: others[0].error)
        assert others[0].transport is None, "the protocol above never hears of such a client"


async def test_a_client_without_a_certificate_is_refused(path: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=PLUGIN.certificate)
    talk = Talk()
    async with listening(path, PLUGIN, HOST) as others:
        assert re.search("alert|reset|ended", await refusal(secured(dialer("unix", path), context), talk))
        assert others[0].transport is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken_with_http_2_agreed_on(path: str, version: ssl.TLSVersion) -> None:
    ours = credentials(HOST, [PLUGIN.certificate]).client
    ours.maximum_version = version
    talk = Talk()
    async with listening(path, PLUGIN, HOST):
        await secured(dialer("unix", path), ours)(talk)
        assert talk.transport is not None
        spoken = talk.transport.tls
        assert (spoken.version(), spoken.selected_alpn_protocol()) == (version.name.replace("_", "."), "h2")
        talk.transport.abort()


async def test_a_peer_may_have_a_smaller_key_and_no_right_to_sign(path: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    small = Identity(certificate.public_bytes(Encoding.DER), pem)
    talk = Talk()
    async with listening(path, small, HOST):
        await secured(dialer("unix", path), credentials(HOST, [small.certificate]).client)(talk)
        assert talk.transport is not None
        talk.transport.abort()


def test_older_versions_are_not_spoken() -> None:
    both = credentials(HOST, [PLUGIN.certificate])
    assert both.client.minimum_version is ssl.TLSVersion.TLSv1_2
    assert both.server.minimum_version is ssl.TLSVersion.TLSv1_2
    assert both.server.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\x00" * 1000])
async def test_rubbish_instead_of_tls_ends_the_connection(
    path: str, junk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_connection, "HANDSHAKE_SECONDS", 0.2)
    async with listening(path, PLUGIN, HOST) as others:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(junk)
        assert len(await asyncio.wait_for(reader.read(), 5)) < 100
        assert others[0].transport is None
        assert isinstance(others[0].error[0], OSError)
        writer.close()
        await writer.wait_closed()


async def test_who_says_nothing_is_not_waited_for_long(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_connection, "HANDSHAKE_SECONDS", 0.05)
    listener = SocketListener()
    listener.add_insecure_port(f"unix:{path}")
    listener.serve(asyncio.Protocol)
    context = credentials(HOST, [PLUGIN.certificate]).client
    with pytest.raises(TimeoutError, match=r"the TLS handshake was not over within 0\.05 s"):
        await secured(dialer("unix", path), context)(Talk())
    await listener.close()


async def test_what_is_not_read_is_not_decrypted(path: str) -> None:
    talk = Talk()
    async with listening(path, PLUGIN, HOST) as others:
        await secured(dialer("unix", path), credentials(HOST, [PLUGIN.certificate]).client)(talk)
        assert talk.transport is not None
        talk.transport.pause_reading()
        await eventually_async(lambda: others[0].transport is not None)
        other = others[0].transport
        assert other is not None
        other.write(b"x" * 4_000_000)
        await asyncio.sleep(0.05)
        assert not talk.heard
        assert other.get_write_buffer_size() > 3_000_000
        talk.transport.resume_reading()
        await eventually_async(lambda: len(talk.heard) == 4_000_000)
        talk.transport.abort()


def test_a_certificate_that_openssl_cannot_read_is_an_error() -> None:
    with pytest.raises(UnusableCertificate, match=r"expected an X\.509 certificate from the other process"):
        credentials(HOST, [b"\x30\x03abc"])


def test_the_key_is_on_disk_for_a_moment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[tuple[int, int]] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context: ssl.SSLContext, certfile: str) -> None:
        seen.append((os.stat(certfile).st_mode & 0o777, os.stat(os.path.dirname(certfile)).st_mode & 0o777))
        load(context, certfile)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    credentials(HOST, [PLUGIN.certificate])
    assert seen == [(0o600, 0o700)] * 2
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_a_private_file_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(SettingsError, match="set TMPDIR to a folder that can be written"):
        credentials(HOST, [PLUGIN.certificate])
