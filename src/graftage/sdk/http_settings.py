"""What the standard settings page of an HTTP data source says, as one value that any HTTP library can use.

Source: grafana/grafana-plugin-sdk-go, backend/http_settings.go, backend/common.go (`HTTPClientOptions`,
`ProxyOptions`), backend/httpclient/options.go. Where that one panics or ignores a key of a wrong type, this
one names key and type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from graftage.backend.secrets import Secrets
from graftage.errors import SettingsError
from graftage.sdk.folded import FoldedMapping
from graftage.sdk.json_keys import JsonKeys
from graftage.sdk.model import decode_object

if TYPE_CHECKING:
    from graftage.sdk.settings import Settings


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TimeOuts:
    """In seconds; 0 means no limit. total: for a request and its whole answer. dial: to connect.
    tls_handshake: after that. keep_alive: between the probes of a silent connection. idle: how long an unused
    connection is kept. expect_continue: for an answer before a body is sent; no client made here asks."""

    total: float = 30
    dial: float = 10
    keep_alive: float = 30
    tls_handshake: float = 10
    expect_continue: float = 1
    idle: float = 90


@dataclass(frozen=True, slots=True)
class Pool:
    """How many connections. idle: those that are kept while nobody uses them. 0 means no limit, but for
    `idle_per_host`, where Go makes it two."""

    per_host: int = 0
    idle: int = 100
    idle_per_host: int = 100

    @property
    def kept(self) -> int:
        """How many connections to one host are kept idle at most."""
        per_host = self.idle_per_host or 2
        return min(self.idle, per_host) if self.idle else per_host


@dataclass(frozen=True, slots=True)
class Tls:
    """ca, certificate: PEM texts; empty for those of the system, and for none. server_name: which name the
    server's certificate must carry instead of the URL's; empty for that."""

    ca: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    server_name: str = ""
    skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class SigV4:
    """How requests to AWS are signed. auth_type: where the keys come from; `keys` means from here."""

    region: str = ""
    auth_type: str = ""
    profile: str = ""
    assume_role_arn: str = ""
    external_id: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """url: of the data source. login: for basic authentication. headers: to be sent with each request; they
    do not show. sigv4: None unless requests are to be signed. socks: who logs in to the secure SOCKS proxy;
    None unless it is to be used. forward_oauth: is the user's token to be sent on? keep_cookies: names of
    cookies that are. json, secrets: everything, for keys that are the author's own.
    """

    url: str = ""
    login: Login | None = None
    headers: Mapping[str, str] = field(default_factory=FoldedMapping)
    time_outs: TimeOuts = TimeOuts()
    pool: Pool = Pool()
    tls: Tls = Tls()
    sigv4: SigV4 | None = None
    socks: Login | None = None
    forward_oauth: bool = False
    keep_cookies: tuple[str, ...] = ()
    json: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def forwards(self) -> bool:
        """Does the operator want anything of the user's request to be sent on?"""
        return self.forward_oauth or bool(self.keep_cookies)


def http_settings(settings: Settings[Any]) -> HttpSettings:
    """Raises SettingsError naming the key of a wrong type, and UnreadableModel for what is no JSON object."""
    values = _json(settings)
    keys, secrets = JsonKeys(values), settings.secrets
    return HttpSettings(
        url=settings.url or keys.text("url"),
        login=_login(settings, keys),
        headers=FoldedMapping(numbered(keys, secrets, "httpHeaderName", "httpHeaderValue")),
        time_outs=_time_outs(keys),
        pool=_pool(keys),
        tls=_tls(keys, secrets),
        sigv4=_sigv4(keys, secrets) if keys.flag("sigV4Auth") else None,
        socks=_socks(settings, keys) if keys.flag("enableSecureSocksProxy") else None,
        forward_oauth=keys.flag("oauthPassThru"),
        keep_cookies=keys.texts("keepCookies"),
        json=values,
        secrets=secrets,
    )


def _json(settings: Settings[Any]) -> Mapping[str, Any]:
    if not settings.json_text and isinstance(settings.json, Mapping):  # made by hand, as in an author's tests
        return settings.json
    return decode_object(settings.json_text, what=f"the jsonData of data source {settings.name!r}")


def numbered(keys: JsonKeys, secrets: Secrets, name: str, value: str) -> Iterator[tuple[str, str]]:
    """Names from `jsonData` with their values from the secrets, numbered from 1 to the first gap. One without
    a value is left out."""
    for number in count(1):
        if f"{name}{number}" not in keys:
            return
        if f"{value}{number}" in secrets:
            yield keys.text(f"{name}{number}"), secrets[f"{value}{number}"]


def _login(settings: Settings[Any], keys: JsonKeys) -> Login | None:
    password = settings.secrets.get("basicAuthPassword", "")
    if settings.basic_auth_enabled:
        return Login(settings.basic_auth_user, password)
    if settings.user:
        return Login(settings.user, settings.secrets.get("password", ""))
    if keys.flag("basicAuth"):  # where data sources of old have it
        return Login(keys.text("basicAuthUser"), password)
    return None


def _pool(keys: JsonKeys) -> Pool:
    usual = Pool()
    return Pool(
        per_host=keys.count("httpMaxConnsPerHost", usual.per_host),
        idle=keys.count("httpMaxIdleConns", usual.idle),
        idle_per_host=keys.count("httpMaxIdleConnsPerHost", usual.idle_per_host),
    )


def _time_outs(keys: JsonKeys) -> TimeOuts:
    usual = TimeOuts()
    return TimeOuts(
        total=keys.seconds("timeout", usual.total),
        dial=keys.seconds("dialTimeout", usual.dial),
        keep_alive=keys.seconds("httpKeepAlive", usual.keep_alive),
        tls_handshake=keys.seconds("httpTLSHandshakeTimeout", usual.tls_handshake),
        expect_continue=keys.seconds("httpExpectContinueTimeout", usual.expect_continue),
        idle=keys.seconds("httpIdleConnTimeout", usual.idle),
    )


def _tls(keys: JsonKeys, secrets: Secrets) -> Tls:
    """Certificates and names that are still stored do not count when their switches are off."""
    own, with_ca = keys.flag("tlsAuth"), keys.flag("tlsAuthWithCACert")
    certificate = secrets.get("tlsClientCert", "") if own else ""
    key = secrets.get("tlsClientKey", "") if own else ""
    if bool(certificate) != bool(key):
        raise SettingsError("tlsAuth needs both secrets, tlsClientCert and tlsClientKey; one is missing")
    server_name = keys.text("serverName")
    return Tls(
        ca=secrets.get("tlsCACert", "") if with_ca else "",
        certificate=certificate,
        key=key,
        server_name=server_name if own or with_ca else "",
        skip_verify=keys.flag("tlsSkipVerify"),
    )


def _sigv4(keys: JsonKeys, secrets: Secrets) -> SigV4:
    return SigV4(
        region=keys.text("sigV4Region"),
        auth_type=keys.text("sigV4AuthType"),
        profile=keys.text("sigV4Profile"),
        assume_role_arn=keys.text("sigV4AssumeRoleArn"),
        external_id=keys.text("sigV4ExternalId"),
        access_key=secrets.get("sigV4AccessKey", ""),
        secret_key=secrets.get("sigV4SecretKey", ""),
        session_token=secrets.get("sigV4SessionToken", ""),
    )


def _socks(settings: Settings[Any], keys: JsonKeys) -> Login:
    user = keys.text("secureSocksProxyUsername", settings.uid)
    return Login(user, settings.secrets.get("secureSocksProxyPassword", ""))
