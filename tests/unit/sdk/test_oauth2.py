"""Logging in by OAuth 2."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from graftage.errors import SettingsError
from graftage.sdk.oauth2 import ClientCredentials, JwtBearer, TokenRefused, Tokens, grant_of
from support.echo_server import echo_server
from support.http_sources import settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://login.example/token"
GRANT = ClientCredentials(URL, "me & you", "hush", ("read", "write"), {"audience": "weather"})
TOKEN = (200, {"access_token": "t1", "token_type": "bearer", "expires_in": 3600})


class Server:
    """An authorization server that answers one thing after the other."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self._answers = list(answers)
        self.headers: list[dict[str, str]] = []
        self.forms: list[dict[str, str]] = []

    async def fetch(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        assert url == URL
        self.headers.append(headers)
        self.forms.append(dict(parse_qsl(body.decode())))
        status, answer = self._answers.pop(0)
        await asyncio.sleep(0)
        return status, json.dumps(answer).encode()


async def test_client_credentials_are_sent_in_a_header():
    server = Server(TOKEN)
    assert await Tokens(GRANT).authorization(server.fetch, now=NOW) == "Bearer t1"
    assert server.forms == [
        {"grant_type": "client_credentials", "scope": "read write", "audience": "weather"}
    ]
    kind, _, pair = server.headers[0]["Authorization"].partition(" ")
    assert (kind, b64decode(pair)) == ("Basic", b"me+%26+you:hush")


async def test_a_server_that_refuses_the_header_gets_them_in_the_body_from_then_on():
    server = Server((401, {"error": "invalid_client"}), TOKEN, TOKEN)
    tokens = Tokens(GRANT)
    for now in (NOW, NOW + timedelta(hours=2)):
        assert await tokens.authorization(server.fetch, now=now) == "Bearer t1"
    secrets = [form.get("client_secret") for form in server.forms]
    assert secrets == [None, "hush", "hush"]
    assert ["Authorization" in headers for headers in server.headers] == [True, False, False]


async def test_a_token_is_kept_until_shortly_before_its_end():
    server = Server(TOKEN, (200, {"access_token": "t2"}))
    tokens = Tokens(GRANT)
    after = [0, 3589, 3590, 10**9]  # of 3600 seconds; the second one has no end
    got = [await tokens.authorization(server.fetch, now=NOW + timedelta(seconds=s)) for s in after]
    assert got == ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]


async def test_many_who_wait_ask_once():
    server = Server(TOKEN)
    tokens = Tokens(GRANT)
    got = await asyncio.gather(*(tokens.authorization(server.fetch, now=NOW) for _ in range(10)))
    assert (set(got), len(server.forms)) == ({"Bearer t1"}, 1)


@pytest.mark.parametrize(
    ("status", "answer", "complaint"),
    [
        (400, {"error": "invalid_scope", "error_description": "no"}, "status 400: invalid_scope, no"),
        (500, ["x"], "status 500"),
        (200, {"access_token": ""}, "gave no token"),
        (200, {"token": "hush"}, "gave no token"),
    ],
)
async def test_a_server_that_gives_no_token_is_told_and_asked_again(status, answer, complaint):
    server = Server((status, answer), (status, answer), TOKEN)
    tokens = Tokens(JwtBearer(URL, "me", _key()) if status == 200 else GRANT)
    with pytest.raises(TokenRefused, match=complaint) as error:
        await tokens.authorization(server.fetch, now=NOW)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("seconds", "end"), [("60", 60), (60.5, 60.5), (None, None), ("soon", None), (0, None)]
)
async def test_servers_write_the_life_of_a_token_in_many_ways(seconds, end):
    server = Server((200, {"access_token": "t", "expires_in": seconds}), (200, {"access_token": "later"}))
    tokens = Tokens(GRANT)
    await tokens.authorization(server.fetch, now=NOW)
    later = await tokens.authorization(server.fetch, now=NOW + timedelta(days=1))
    assert later == ("Bearer t" if end is None else "Bearer later")


def _key() -> str:
    return _pem(rsa.generate_private_key(65537, 2048))


def _pem(key: rsa.RSAPrivateKey) -> str:
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


@pytest.mark.parametrize("newline", ["\n", "\\n"])
async def test_a_jwt_is_signed_and_says_who_asks(newline):
    key = rsa.generate_private_key(65537, 2048)
    grant = JwtBearer(URL, "me@example", _pem(key).replace("\n", newline), "k1", "you@example", ("read",))
    server = Server(TOKEN)
    await Tokens(grant).authorization(server.fetch, now=NOW)
    form = server.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    content, _, signature = form["assertion"].rpartition(".")
    key.public_key().verify(_decoded(signature), content.encode(), padding.PKCS1v15(), hashes.SHA256())
    header, claims = (json.loads(_decoded(part)) for part in content.split("."))
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    issued = int(NOW.timestamp())
    assert claims == {
        "iss": "me@example", "sub": "you@example", "scope": "read", "aud": URL, "iat": issued,
        "exp": issued + 3600,
    }  # fmt: skip


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_a_private_key_that_is_none_is_told_and_not_shown():
    with pytest.raises(SettingsError, match="private key of the JWT") as error:
        await Tokens(JwtBearer(URL, "me", "hunter2")).authorization(Server().fetch, now=NOW)
    assert "hunter2" not in str(error.value)


def test_the_keys_of_the_infinity_data_source_are_understood():
    values = {
        "auth_method": "oauth2", "oauth2EndPointParamsName1": "audience",
        "oauth2": {"token_url": URL, "client_id": "me & you", "scopes": ["read", " ", "write "]},
    }  # fmt: skip
    secrets = {"oauth2ClientSecret": "hush", "oauth2EndPointParamsValue1": "weather"}
    assert grant_of(settings(values, secrets).http) == GRANT
    jwt = {"token_url": URL, "oauth2_type": "jwt", "email": "e", "subject": "s", "private_key_id": "k"}
    source = settings({"auth_method": "oauth2", "oauth2": jwt}, {"oauth2JWTPrivateKey": "pem"})
    assert grant_of(source.http) == JwtBearer(URL, "e", "pem", "k", "s")
    assert grant_of(settings({"oauth2": jwt}).http) is None


@pytest.mark.parametrize(
    ("oauth2", "complaint"),
    [
        ({}, "token_url is missing"),
        ({"token_url": 5}, r"jsonData\.oauth2\.token_url is a whole number; expected a text"),
        ({"token_url": URL, "oauth2_type": "magic"}, "expected 'client_credentials' or 'jwt'"),
        ({"token_url": URL, "oauth2_type": "jwt"}, "oauth2JWTPrivateKey is missing"),
        ("x", r"jsonData\.oauth2 is a text; expected an object"),
    ],
)
def test_keys_that_are_missing_or_wrong_are_named(oauth2, complaint):
    with pytest.raises(SettingsError, match=complaint):
        grant_of(settings({"auth_method": "oauth2", "oauth2": oauth2}).http)


def test_secrets_do_not_show():
    assert "hush" not in repr(GRANT)
    assert "weather" not in repr(GRANT)
    assert "pem" not in repr(JwtBearer(URL, "me", "pem"))


async def test_a_client_gets_a_token_and_sends_it_with_the_operators_headers():
    with echo_server() as server:
        server.tokens = [TOKEN]
        source = settings({"httpHeaderName1": "X-Key"}, {"httpHeaderValue1": "k"}, url=server.url)
        grant = ClientCredentials(f"{server.url}/token", "me", "hush")
        async with source.http_client(oauth2=grant) as client:
            answers = await asyncio.gather(client.get("/a"), client.get("/b"))
            own = await client.get("/c", headers={"Authorization": "mine"})
    assert [answer.json()["headers"]["authorization"] for answer in answers] == ["Bearer t1", "Bearer t1"]
    assert own.json()["headers"]["authorization"] == "mine"
    asked = [request for request in server.requests if request["path"] == "/token"]
    assert [(request["method"], request["headers"]["x-key"]) for request in asked] == [("POST", "k")]
