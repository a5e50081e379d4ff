"""TLS between machines: what its files must be, and what counts as this machine."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from graftage.errors import SettingsError
from graftage.protocol.network_tls import (
    TlsFiles,
    client_context,
    is_loopback,
    server_context,
    split_address,
)
from support.certificates import Authority
from support.elsewhere import pem_files


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return pem_files(tmp_path, Authority(), "127.0.0.1")


def test_both_sides_agree_on_http2_and_forget_old_tls(files: TlsFiles) -> None:
    for context in (client_context(files), server_context(files)):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
    assert client_context(files).check_hostname


def test_a_client_without_an_authority_trusts_those_of_the_system() -> None:
    assert client_context(TlsFiles()).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [("authority", "takes an authority to trust"), ("certificate", "takes a certificate and its key")],
)
def test_whoever_listens_needs_all_of_them(files: TlsFiles, missing: str, complaint: str) -> None:
    some = {
        "authority": TlsFiles(files.certificate, files.key),
        "certificate": TlsFiles(authority=files.authority),
    }
    with pytest.raises(SettingsError, match=complaint):
        server_context(some[missing])


def test_a_certificate_comes_with_its_key() -> None:
    with pytest.raises(SettingsError, match="a key but no certificate"):
        TlsFiles(key=Path("key.pem"))


@pytest.mark.parametrize("name", ["cert.pem", "key.pem", "ca.pem"])
@pytest.mark.parametrize("text", [None, "", "s3cr3t"], ids=["missing", "empty", "something else"])
def test_a_file_that_cannot_be_used_is_named_and_never_shown(
    tmp_path: Path, files: TlsFiles, name: str, text: str | None
) -> None:
    (tmp_path / name).unlink() if text is None else (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError) as refused:
        client_context(files)
    assert str(tmp_path / name) in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_an_encrypted_key_is_refused_without_asking_for_its_password(tmp_path: Path, files: TlsFiles) -> None:
    assert files.key is not None
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hush"),
    )
    files.key.write_bytes(encrypted)
    with pytest.raises(SettingsError, match="unencrypted"):
        client_context(files)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, files: TlsFiles) -> None:
    other = pem_files(tmp_path / "other", Authority(), "127.0.0.1")
    with pytest.raises(SettingsError, match="key values mismatch"):
        client_context(TlsFiles(files.certificate, other.key, files.authority))


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_what_counts_as_this_machine(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.example:9000", ("a.example", 9000)),
        ("[::1]:0", ("::1", 0)),
        (":80", ("", 80)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts


@pytest.mark.parametrize(
    "text", ["", "a", "a:", "a:b", "a:65536", "::1:80", "[a]:80", "a b:80", "http://a:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        split_address(text)
