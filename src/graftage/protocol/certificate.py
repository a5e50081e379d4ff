"""The certificate that each end of a connection makes for one run.

The host's goes to the plugin as PEM in an environment variable, the plugin's comes back in the handshake.
Each end trusts the other's certificate and nothing else.

Source: hashicorp/go-plugin, mtls.go (`generateCert`), server.go (`Serve`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from graftage.errors import GraftageError
from graftage.protocol.handshake import is_one_der_sequence

NAME = "localhost"  # the name that every certificate carries and every client asks for
VALID_BEFORE = timedelta(seconds=30)  # for a clock that is a little behind
VALID_AFTER = timedelta(hours=262_980)  # 30 years: it is thrown away long before

_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_END = "-----END CERTIFICATE-----"


class BadCertificateText(GraftageError):
    """A text that should be a certificate is none. The text itself is not repeated."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key. certificate: DER. key: PEM, unencrypted; never shown."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_identity(now: datetime | None = None) -> Identity:
    """A fresh key on P-521 and its certificate, signed with itself: takes some milliseconds.

    now: the moment from which it is valid, in UTC.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    moment = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP521R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Graftage"),
            x509.NameAttribute(NameOID.COMMON_NAME, NAME),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbelow(2**128 - 1) + 1)
        .not_valid_before(moment - VALID_BEFORE)
        .not_valid_after(moment + VALID_AFTER)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=True,
                data_encipherment=False,
                key_agreement=True,
                key_cert_sign=True,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA512())
    )
    return Identity(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def to_pem(certificate: bytes) -> str:
    """DER to PEM, the form of the environment variable."""
    return ssl.DER_cert_to_PEM_cert(certificate)


def from_pem(text: str) -> tuple[bytes, ...]:
    """The certificates of a PEM text as DER, at least one. Raises BadCertificateText."""
    certificates = []
    for piece in text.split(_PEM_BEGIN)[1:]:
        body, end, _ = piece.partition(_PEM_END)
        if not end:
            raise BadCertificateText(f"expected a certificate in PEM, got one without its {_PEM_END!r}")
        certificates.append(_decoded("".join(body.split())))
    if not certificates:
        raise BadCertificateText(
            f"expected a certificate in PEM, got {len(text)} characters without {_PEM_BEGIN!r}"
        )
    return tuple(certificates)


def _decoded(text: str) -> bytes:
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        der = b""
    if not is_one_der_sequence(der):
        raise BadCertificateText(
            f"expected the base64 of one DER certificate in PEM, got {len(text)} other characters"
        )
    return der
