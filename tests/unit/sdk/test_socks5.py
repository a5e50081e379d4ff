"""The secure SOCKS proxy, between a real client and a real server."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from graftage.errors import SettingsError
from graftage.sdk.context import answering
from graftage.sdk.http_settings import Login
from graftage.sdk.socks5 import PREFIX, SocksError, socks_proxy
from support.certificates import Authority
from support.echo_server import echo_server, server_tls
from support.http_sources import call, settings
from support.socks_proxy import SocksServer, socks_server

ON = {"enableSecureSocksProxy": True}


def plain(port: int) -> dict[str, str]:
    told = {"SERVER_ENABLED": "true", "PROXY_ADDRESS": f"127.0.0.1:{port}", "ALLOW_INSECURE": "true"}
    return {PREFIX + name: value for name, value in told.items()}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_requests_go_through_mutual_tls_1_3_and_log_in(authority, tmp_path):
    own = authority.issue("grafana")
    told = {
        "SERVER_ENABLED": "true", "SERVER_NAME": "proxy.example", "CLIENT_CERT_VAL": own.certificate,
        "CLIENT_KEY_VAL": own.key, "ROOT_CA_CERT_VALS": authority.certificate,
    }  # fmt: skip
    (tmp_path / "proxy").mkdir()
    tls = server_tls(tmp_path / "proxy", authority.issue("proxy.example"), clients_of=authority.certificate)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    source = settings(
        {**ON, "tlsAuthWithCACert": True},
        {"secureSocksProxyPassword": "p", "tlsCACert": authority.certificate},
    )
    with echo_server(server_tls(tmp_path, authority.issue("127.0.0.1"))) as server:
        async with socks_server(SocksServer(login=("w1", "p")), tls) as proxy:
            told["PROXY_ADDRESS"] = f"127.0.0.1:{proxy.port}"
            with answering(call(config={PREFIX + name: value for name, value in told.items()})):
                async with source.http_client() as client:
                    answer = await client.get(f"{server.url}/obs")
    assert answer.json()["path"] == "/obs"
    assert answer.json()["tls"]
    assert proxy.connected == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (SocksServer(login=("w1", "other")), "does not accept the user and the password"),
        (SocksServer(refusal=2), r"does not connect to weather\.example:80: its rules do not allow"),
        (SocksServer(refusal=5), "the connection was refused"),
        (SocksServer(refusal=99), "reason 99"),
    ],
)
async def test_a_proxy_that_refuses_says_why(server, complaint):
    async with socks_server(server):
        with answering(call(config=plain(server.port))):
            async with settings(ON).http_client() as client:
                with pytest.raises(SocksError, match=complaint):
                    await client.get("http://weather.example/")


async def test_a_data_source_that_does_not_ask_for_the_proxy_goes_without(authority):
    with echo_server() as server, answering(call(config=plain(1))):
        async with settings().http_client() as client:
            assert (await client.get(server.url)).status_code == 200


def find(told: dict[str, str], **others: Any) -> Any:
    return socks_proxy(Login("u"), {PREFIX + name: value for name, value in told.items()}, **others)


def test_an_operator_who_offers_no_proxy_is_no_error():
    assert find({}, environment={}) is None
    assert find({"SERVER_ENABLED": "false", "PROXY_ADDRESS": "a:1"}, environment={}) is None


def test_older_hosts_tell_of_the_proxy_in_the_environment_and_in_files(authority, tmp_path):
    own = authority.issue("grafana")
    for name, text in {"cert": own.certificate, "key": own.key, "ca": authority.certificate}.items():
        (tmp_path / name).write_text(text)
    told = {
        "SERVER_ENABLED": "true", "PROXY_ADDRESS": "[::1]:1080", "CLIENT_CERT": str(tmp_path / "cert"),
        "CLIENT_KEY": str(tmp_path / "key"), "ROOT_CA_CERT": str(tmp_path / "ca"),
    }  # fmt: skip
    proxy = socks_proxy(Login("u"), {}, {PREFIX + name: value for name, value in told.items()})
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.server_name) == ("::1", 1080, "::1")
    assert proxy.tls is not None
    assert proxy.tls.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"PROXY_ADDRESS": "proxy"}, "expected a host and a port"),
        ({"PROXY_ADDRESS": "proxy:1080"}, "ROOT_CA_CERT"),
        ({"PROXY_ADDRESS": "proxy:1080", "ROOT_CA_CERT": "/no/such/file"}, "cannot be read"),
        (
            {"PROXY_ADDRESS": "p:1", "ROOT_CA_CERT_VALS": "x", "CLIENT_CERT_VAL": "y", "CLIENT_KEY_VAL": "z"},
            "ROOT_CA_CERT holds no certificates",
        ),
    ],
)
def test_a_proxy_that_is_described_wrong_is_told(told, complaint):
    with pytest.raises(SettingsError, match=complaint):
        find({"SERVER_ENABLED": "true", **told}, environment={})
