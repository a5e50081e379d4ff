"""Signatures that AWS accepts, version 4. HMAC and nothing else: no dependency.

Source: AWS, "Create a signed AWS API request" in the IAM user guide; its published test vectors.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from graftage.errors import PluginFault, SettingsError
from graftage.sdk.http_settings import SigV4

ALGORITHM: Final = "AWS4-HMAC-SHA256"
KEYS: Final = "keys"  # the type of authentication that needs no service of AWS
S3: Final = "s3"  # signs its paths as they are

_UNRESERVED: Final = "-_.~"
# What proxies and HTTP libraries may change on the way.
_NEVER_SIGNED: Final = frozenset(
    {"authorization", "connection", "user-agent", "accept-encoding", "expect", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """region: such as `eu-central-1`. service: such as `aps` or `es`."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    service: str
    session_token: str = field(default="", repr=False)


def signing_key_of(settings: SigV4, service: str) -> SigningKey:
    """Keys only: profiles, roles of machines and assumed roles come from services of AWS.

    Raises SettingsError for what the operator has to change, PluginFault where the plugin names no service.
    """
    if not service:
        raise PluginFault(
            'requests to AWS are signed for a service; name it: settings.http_client(aws_service="aps")'
        )
    if settings.auth_type not in ("", KEYS) or settings.assume_role_arn:
        asked = "an assumed role" if settings.assume_role_arn else f"sigV4AuthType {settings.auth_type!r}"
        raise SettingsError(f"this plugin signs with an access key and a secret key; it cannot use {asked}")
    if not (settings.access_key and settings.secret_key and settings.region):
        raise SettingsError("sigV4Auth needs sigV4Region, and the secrets sigV4AccessKey and sigV4SecretKey")
    return SigningKey(
        settings.access_key, settings.secret_key, settings.region, service, settings.session_token
    )


def sign(
    key: SigningKey, method: str, url: str, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> dict[str, str]:
    """The headers to add, `Authorization` among them. headers: those to be sent; all but a few are signed.

    url: absolute and encoded, as it is sent. now: aware, in UTC.
    """
    parts = urlsplit(url)
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    added = {"X-Amz-Date": moment}
    if key.session_token:
        added["X-Amz-Security-Token"] = key.session_token
    digest = hashlib.sha256(body).hexdigest()
    if key.service == S3:
        added["X-Amz-Content-Sha256"] = digest
    given = {name.lower(): " ".join(value.split()) for name, value in {**headers, **added}.items()}
    given.setdefault("host", parts.netloc.rpartition("@")[2])
    signed = {name: given[name] for name in sorted(given) if name not in _NEVER_SIGNED}
    names = ";".join(signed)
    canonical = "\n".join(
        (
            method.upper(),
            _path(parts.path, key.service),
            _query(parts.query),
            *(f"{name}:{value}" for name, value in signed.items()),
            "",
            names,
            digest,
        )
    )
    scope = f"{moment[:8]}/{key.region}/{key.service}/aws4_request"
    to_sign = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = _hmac(_derived(key, moment[:8]), to_sign).hex()
    added["Authorization"] = (
        f"{ALGORITHM} Credential={key.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return added


def _path(path: str, service: str) -> str:
    """All services but S3 take the path without `.` and `..`, and with what is encoded encoded once more."""
    if service == S3:
        return quote(unquote(path), safe=f"/{_UNRESERVED}") or "/"
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in ("", "."):
            steps.append(step)
    normal = "/".join(("", *steps)) + ("/" if steps and path.endswith(("/", "/.", "/..")) else "")
    return quote(normal, safe=f"/{_UNRESERVED}") or "/"


def _query(query: str) -> str:
    pairs = [
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _derived(key: SigningKey, day: str) -> bytes:
    derived = f"AWS4{key.secret_key}".encode()
    for part in (day, key.region, key.service, "aws4_request"):
        derived = _hmac(derived, part)
    return derived


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
