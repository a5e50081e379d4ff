"""The certificate of one run: its recipe, and its two forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.x509.oid import ExtendedKeyUsageOID

from graftage.protocol.certificate import BadCertificateText, Identity, from_pem, make_identity, to_pem

MOMENT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def identity() -> Identity:
    return make_identity(MOMENT)


def test_the_recipe_is_that_of_go_plugin(identity: Identity) -> None:
    certificate = x509.load_der_x509_certificate(identity.certificate)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp521r1"
    assert isinstance(certificate.signature_hash_algorithm, SHA512)
    assert certificate.version is x509.Version.v3
    assert 0 < certificate.serial_number < 2**128
    assert certificate.subject == certificate.issuer
    assert "CN=localhost" in certificate.subject.rfc4514_string()
    assert certificate.not_valid_before_utc == MOMENT - timedelta(seconds=30)
    assert certificate.not_valid_after_utc == MOMENT + timedelta(hours=262_980)
    certificate.verify_directly_issued_by(certificate)


def test_its_extensions_satisfy_strict_verifiers(identity: Identity) -> None:
    extensions = x509.load_der_x509_certificate(identity.certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(True, None))
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment
    assert usage.value.key_agreement
    assert usage.value.key_cert_sign
    assert not usage.value.crl_sign
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_every_run_has_a_key_of_its_own() -> None:
    assert make_identity().key != make_identity().key


def test_the_key_is_never_shown(identity: Identity) -> None:
    assert "PRIVATE" not in repr(identity)
    assert "key" not in repr(identity)


def test_pem_is_read_as_it_is_written(identity: Identity) -> None:
    other = make_identity().certificate
    text = "some words\n" + to_pem(identity.certificate) + "\n" + to_pem(other)
    assert from_pem(text) == (identity.certificate, other)
    assert from_pem(text.replace("\n", "\r\n")) == (identity.certificate, other)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no certificate", "got 14 characters without '-----BEGIN CERTIFICATE-----'"),
        ("-----BEGIN CERTIFICATE-----\nMIIC", "got one without its '-----END CERTIFICATE-----'"),
        ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "got 2 other characters"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "expected the base64 of one DER"),
    ],
)
def test_what_is_no_pem_is_refused_without_being_repeated(text: str, complaint: str) -> None:
    with pytest.raises(BadCertificateText, match=complaint):
        from_pem(text)
