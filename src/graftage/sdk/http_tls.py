"""The TLS of a data source's connections, from its settings.

Source: grafana/grafana-plugin-sdk-go, backend/httpclient/http_client.go (`GetTLSConfig`).
"""

from __future__ import annotations

import os
import ssl
import tempfile

from graftage.errors import SettingsError
from graftage.sdk.http_settings import Tls

FORCE_TLS_1_3 = "pluginsForceTls13"  # a feature toggle


def ssl_context(tls: Tls, *, force_1_3: bool = False) -> ssl.SSLContext:
    """A client's context. Raises SettingsError for certificates and keys that cannot be used."""
    context = ssl.create_default_context(cadata=_ca(tls.ca) if tls.ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if force_1_3 else ssl.TLSVersion.TLSv1_2
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate:
        show(context, tls.certificate, tls.key)
    return context


def show(
    context: ssl.SSLContext, certificate: str, key: str, *, what: str = "tlsClientCert and tlsClientKey"
) -> None:
    """Make the context show a client's certificate, given in PEM, as its key is.

    what: how a message calls the two. Raises SettingsError when they cannot be used.

    Python takes them from a file only: one that nobody else can read, and that is gone at once.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="graftage-") as folder:  # mode 0700
            path = os.path.join(folder, "client.pem")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{key.strip()}\n{certificate.strip()}\n")
            # A password, or OpenSSL would ask for one on the terminal.
            context.load_cert_chain(path, password="")
    except ssl.SSLError as error:
        raise SettingsError(
            f"{what} cannot be used; expected a certificate and its key without a "
            f"password, both in PEM: {error.reason or error}"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"no private file for a key can be made: {error}; set TMPDIR to a folder that can be written"
        ) from error


def _ca(pem: str) -> str:
    """The text itself, when there are certificates in it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            "tlsCACert cannot be used; expected one or more certificates in PEM: "
            f"{getattr(error, 'reason', None) or error}"
        ) from None
    return pem
