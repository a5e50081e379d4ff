"""Tokens of OAuth 2 for a plugin that logs in by itself: client credentials, or a signed JWT.

Source: RFC 6749 (4.4), RFC 7523 (2.1); grafana/grafana-plugin-sdk-go, experimental/authclient, and
golang.org/x/oauth2 (which this does as: id and secret in a header, then in the body; JWTs are valid for an
hour). The keys of `grant_of` are those of grafana/grafana-infinity-datasource, pkg/models/settings.go.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus, urlencode

from graftage.errors import SettingsError
from graftage.sdk.errors import DownstreamError
from graftage.sdk.http_settings import HttpSettings, numbered
from graftage.sdk.json_keys import JsonKeys

EARLY: Final = timedelta(seconds=10)  # a token that ends while its request travels is of no use
JWT_LIFE: Final = timedelta(hours=1)
JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_OK: Final = range(200, 300)
_TYPES: Final = {"bearer": "Bearer", "mac": "MAC", "basic": "Basic"}  # servers write them in any case

Fetch: TypeAlias = Callable[[str, dict[str, str], bytes], Awaitable[tuple[int, bytes]]]


class TokenRefused(DownstreamError):
    """The authorization server gave no token."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """parameters: further ones that the server wants, such as `audience`; they may be secret."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    def form(self, now: datetime) -> dict[str, str]:
        scope = {"scope": " ".join(self.scopes)} if self.scopes else {}
        return {"grant_type": "client_credentials", **scope, **self.parameters}


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """private_key: of RSA, in PEM. email: who asks. subject: for whom; empty for who asks."""

    token_url: str
    email: str
    private_key: str = field(repr=False)
    private_key_id: str = ""
    subject: str = ""
    scopes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    def form(self, now: datetime) -> dict[str, str]:
        return {"grant_type": JWT_GRANT, "assertion": self._assertion(now), **self.parameters}

    def _assertion(self, now: datetime) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.private_key_id}
        issued = int(now.timestamp())
        claims = {
            "iss": self.email,
            "scope": " ".join(self.scopes),
            "aud": self.token_url,
            "iat": issued,
            "exp": issued + int(JWT_LIFE.total_seconds()),
            "sub": self.subject,
        }
        content = b".".join(_base64(_without_empty(part)) for part in (header, claims))
        return b".".join(
            (content, urlsafe_b64encode(_rs256(self.private_key, content)).rstrip(b"="))
        ).decode()


Grant: TypeAlias = ClientCredentials | JwtBearer


@dataclass(frozen=True, slots=True)
class Token:
    """until: None for as long as the server takes it."""

    authorization: str = field(repr=False)
    until: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        return self.until is None or now < self.until - EARLY


class Tokens:
    """Gets a token when there is none that is still good: one request at a time, whoever waits for it."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self._token: Token | None = None
        self._turn = asyncio.Lock()
        self._secret_in_body = False

    async def authorization(self, fetch: Fetch, *, now: datetime) -> str:
        """The value of `Authorization`. fetch: posts to a URL, and returns status and body.

        Raises TokenRefused, and SettingsError for a private key that cannot be used.
        """
        async with self._turn:
            if self._token is None or not self._token.is_good(now):
                self._token = await self._ask(fetch, now)
            return self._token.authorization

    async def _ask(self, fetch: Fetch, now: datetime) -> Token:
        status, body = await self._post(fetch, now)
        if status not in _OK and isinstance(self._grant, ClientCredentials) and not self._secret_in_body:
            self._secret_in_body = True  # there are servers that look for it nowhere else
            status, body = await self._post(fetch, now)
            self._secret_in_body = status in _OK
        return read_token(status, body, self._grant.token_url, now)

    async def _post(self, fetch: Fetch, now: datetime) -> tuple[int, bytes]:
        grant, form = self._grant, self._grant.form(now)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if isinstance(grant, ClientCredentials):
            if self._secret_in_body:
                form |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
            else:
                pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"
                headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return await fetch(grant.token_url, headers, urlencode(form).encode())


def read_token(status: int, body: bytes, url: str, now: datetime) -> Token:
    """The token in the answer of an authorization server. Raises TokenRefused, which shows none of it."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    said = answer if isinstance(answer, dict) else {}
    token = said.get("access_token")
    if status not in _OK or not isinstance(token, str) or not token:
        reasons = [str(said[key]) for key in ("error", "error_description") if said.get(key)]
        raise TokenRefused(
            f"{url} gave no token, but status {status}{': ' if reasons else ''}{', '.join(reasons)}"
        )
    kind = str(said.get("token_type") or "Bearer")
    return Token(f"{_TYPES.get(kind.lower(), kind)} {token}", _end(said.get("expires_in"), now))


def grant_of(http: HttpSettings) -> Grant | None:
    """What to log in with, from the keys that Grafana's Infinity data source uses; None unless `auth_method`
    is `oauth2`. Raises SettingsError naming a key that is missing or of a wrong type.

        jsonData.auth_method   oauth2
        jsonData.oauth2        oauth2_type (client_credentials, jwt), token_url, client_id, scopes,
                               email, subject, private_key_id
        secrets                oauth2ClientSecret, oauth2JWTPrivateKey
        further parameters     oauth2EndPointParamsName<n> with the secret oauth2EndPointParamsValue<n>
    """
    keys = JsonKeys(http.json)
    if keys.text("auth_method") != "oauth2":
        return None
    asked = keys.object("oauth2")
    scopes = tuple(scope.strip() for scope in asked.texts("scopes") if scope.strip())
    parameters = dict(numbered(keys, http.secrets, "oauth2EndPointParamsName", "oauth2EndPointParamsValue"))
    url = _needed("jsonData.oauth2.token_url", asked.text("token_url"))
    match asked.text("oauth2_type", "client_credentials"):
        case "client_credentials":
            secret = http.secrets.get("oauth2ClientSecret", "")
            return ClientCredentials(url, asked.text("client_id"), secret, scopes, parameters)
        case "jwt":
            key = _needed("the secret oauth2JWTPrivateKey", http.secrets.get("oauth2JWTPrivateKey", ""))
            key_id, subject = asked.text("private_key_id"), asked.text("subject")
            return JwtBearer(url, asked.text("email"), key, key_id, subject, scopes, parameters)
        case other:
            raise SettingsError(
                f"jsonData.oauth2.oauth2_type is {other!r}; expected 'client_credentials' or 'jwt'"
            )


def _needed(what: str, value: str) -> str:
    if not value:
        raise SettingsError(f"{what} is missing; OAuth 2 needs it")
    return value


def _rs256(private_key: str, content: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    pem = private_key.replace("\\n", "\n").encode()  # as it looks when it was copied out of a JSON file
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingsError("the private key of the JWT cannot be used; expected one of RSA, in PEM")
    return key.sign(content, padding.PKCS1v15(), hashes.SHA256())


def _base64(part: Mapping[str, Any]) -> bytes:
    return urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=")


def _without_empty(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value != ""}


def _end(seconds: Any, now: datetime) -> datetime | None:
    """When a token ends that is good for so long. Some servers write the number as a text."""
    try:
        life = timedelta(seconds=float(seconds))
    except (TypeError, ValueError, OverflowError):
        return None
    return now + life if life > timedelta(0) else None
