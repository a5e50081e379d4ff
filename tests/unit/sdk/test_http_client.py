"""Clients made of settings, against a real server: httpx, requests and the standard library."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import httpx
import pytest
import requests

from graftage import DataSource, Query
from graftage.errors import PluginFault, SettingsError
from graftage.sdk.context import answering
from graftage.sdk.failure import blame_of
from graftage.sdk.http_layers import ResponseTooLarge
from graftage.sdk.metrics import PLUGIN_METRICS
from graftage.sdk.settings import Settings
from graftage.testing import plugin_client
from support.certificates import Authority
from support.echo_server import EchoServer, echo_server, server_tls
from support.http_sources import call, settings

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
Get = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[EchoServer]:
    with echo_server() as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def _httpx(source: Settings[Any], url: str, headers: Mapping[str, str], forward: bool) -> bytes:
    async def get() -> bytes:
        async with source.http_client(forward=forward) as client:
            response = await client.get(url, headers=dict(headers))
            response.raise_for_status()
            return response.content

    return asyncio.run(get())


def _requests(source: Settings[Any], url: str, headers: Mapping[str, str], forward: bool) -> bytes:
    with source.requests_client(forward=forward) as client:
        response = client.get(url, headers=dict(headers))
        response.raise_for_status()
        return response.content


def _opener(source: Settings[Any], url: str, headers: Mapping[str, str], forward: bool) -> bytes:
    from urllib.error import HTTPError
    from urllib.request import Request

    try:
        with source.opener(forward=forward).open(Request(url, headers=dict(headers))) as response:
            return response.read()
    except HTTPError as error:
        with closing(error):
            raise


@pytest.fixture(params=[_httpx, _requests, _opener], ids=["httpx", "requests", "urllib"])
def get(request) -> Get:
    def ask(source, url, headers=None, *, forward=False):
        return request.param(source, url, headers or {}, forward)

    ask.library = request.node.callspec.id.partition("-")[0]
    return ask


def sent(answer: bytes) -> dict[str, str]:
    """The headers that the server got."""
    return json.loads(answer)["headers"]


BASIC = "Basic dTpw"  # u:p


def test_basic_authentication_is_added_unless_the_request_has_its_own(get, server):
    source = settings({"basicAuth": True, "basicAuthUser": "u"}, {"basicAuthPassword": "p"})
    assert sent(get(source, server.url))["authorization"] == BASIC
    assert sent(get(source, server.url, {"Authorization": "Bearer t"}))["authorization"] == "Bearer t"


def test_the_operators_headers_replace_those_of_the_request(get, server):
    values = {"httpHeaderName1": "X-Team", "httpHeaderName2": "Authorization", "httpHeaderName3": "Host"}
    secrets = {"httpHeaderValue1": "red", "httpHeaderValue2": "Key k", "httpHeaderValue3": "weather.example"}
    source = settings({**values, "basicAuth": True}, secrets)
    headers = sent(get(source, server.url, {"X-TEAM": "blue"}))
    assert (headers["x-team"], headers["authorization"], headers["host"]) == (
        "red",
        "Key k",
        "weather.example",
    )


def test_the_user_agent_names_grafana_and_the_plugin(get, server):
    with answering(call()):
        agent = sent(get(settings(), server.url))["user-agent"]
        assert agent == "Grafana/12.0.0 (linux; amd64) acme-weather-datasource/1.2.3"
        assert sent(get(settings(), server.url, {"User-Agent": "mine"}))["user-agent"] == "mine"
    assert sent(get(settings(), server.url))["user-agent"] == "Grafana"


FORWARDED = {"http_X-Trace": "t", "Authorization": "Bearer user", "http_Host": "evil", "FromAlert": "true",
             "Cookie": "session=1"}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "forward"),
    [({}, True), ({"oauthPassThru": True}, False), ({"keepCookies": ["session"]}, False)],
)
def test_headers_of_the_call_are_forwarded_when_somebody_wants_that(get, server, values, forward):
    with answering(call(FORWARDED)):
        headers = sent(get(settings(values), server.url, {"X-Trace": "own"}, forward=forward))
    assert (headers["authorization"], headers["cookie"]) == ("Bearer user", "session=1")
    assert headers["x-trace"] == "own"
    assert headers["host"] != "evil"
    assert "fromalert" not in headers


def test_nothing_is_forwarded_unless_somebody_wants_that(get, server):
    with answering(call(FORWARDED)):
        headers = sent(get(settings(), server.url))
    assert not {"authorization", "cookie", "x-trace"} & set(headers)


def test_a_forwarded_header_replaces_none_of_the_settings(get, server):
    source = settings({"basicAuth": True, "basicAuthUser": "u"}, {"basicAuthPassword": "p"})
    with answering(call(FORWARDED)):
        assert sent(get(source, server.url, forward=True))["authorization"] == BASIC


def test_another_origin_gets_no_credentials_by_a_redirect(get, server):
    values = {"basicAuth": True, "basicAuthUser": "u", "httpHeaderName1": "X-Key"}
    source = settings(values, {"basicAuthPassword": "p", "httpHeaderValue1": "k"})
    with echo_server() as other:
        same = sent(get(source, f"{server.url}/redirect?to=/here"))
        foreign = sent(get(source, f"{server.url}/redirect?to={other.url}/there"))
    assert (same["authorization"], same["x-key"]) == (BASIC, "k")
    assert not {"authorization", "x-key"} & set(foreign)


@pytest.mark.parametrize("how", ["", "&chunked=1"])
def test_a_response_beyond_the_limit_is_too_large(get, server, how):
    with answering(call(config={"GF_RESPONSE_LIMIT": "1000"})):
        assert len(get(settings(), f"{server.url}/big?bytes=1000{how}")) == 1000
        with pytest.raises(ResponseTooLarge, match="too large: Grafana's limit is 1000 bytes"):
            get(settings(), f"{server.url}/big?bytes=1001{how}")


def test_a_host_that_tells_no_limit_may_set_one_in_the_environment(get, server, monkeypatch):
    monkeypatch.setenv("GF_DATAPROXY_RESPONSE_LIMIT", "10")
    with pytest.raises(ResponseTooLarge):
        get(settings(), f"{server.url}/big?bytes=11")


@pytest.mark.parametrize(("status", "source"), [(404, "downstream"), (503, "downstream"), (405, "plugin")])
def test_who_is_to_blame_follows_from_the_status(get, server, status, source):
    with pytest.raises(Exception) as error:  # noqa: PT011 - each library has its own
        get(settings(), f"{server.url}/status?code={status}")
    assert blame_of(error.value) == (status, source)


def test_silence_ends_with_the_time_out(get, server):
    with pytest.raises(Exception) as error:  # noqa: PT011 - each library has its own
        get(settings({"timeout": 0.05}), f"{server.url}/silence")
    assert blame_of(error.value) == (504, "downstream")


def test_an_answer_that_never_ends_is_ended_by_the_time_out_of_httpx(server):
    with pytest.raises(httpx.ReadTimeout, match=r"did not answer in full within 0\.2 s"):
        _httpx(settings({"timeout": 0.2}), f"{server.url}/drip", {}, forward=False)


async def test_the_author_may_give_a_request_more_time(server):
    async with settings({"timeout": 0.05}, url=server.url).http_client() as client:
        with pytest.raises(httpx.ReadTimeout, match=r"0\.1 s"):
            await client.get("/silence", timeout=0.1)


async def test_relative_urls_start_at_the_data_source(server):
    async with settings(url=f"{server.url}/api").http_client() as client:
        assert (await client.get("/obs")).json()["path"] == "/api/obs"


async def test_what_was_added_does_not_show_in_the_answer(server):
    source = settings({"basicAuth": True, "basicAuthUser": "u"}, {"basicAuthPassword": "p"}, url=server.url)
    async with source.http_client() as client:
        assert "authorization" not in (await client.get("/")).request.headers


async def test_connections_are_used_again(server):
    async with settings({"httpMaxConnsPerHost": 1}, url=server.url).http_client() as client:
        first, second = await asyncio.gather(client.get("/"), client.get("/"))
        streams = [
            answer.extensions["network_stream"].get_extra_info("client_addr") for answer in (first, second)
        ]
    assert streams[0] == streams[1]


def test_the_environments_proxy_is_used_but_not_for_this_machine(get, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    assert json.loads(get(settings(), "http://weather.invalid/obs"))["path"] == "http://weather.invalid/obs"
    if get.library == "requests":  # which knows no rule for this machine
        monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert json.loads(get(settings(), f"{server.url}/obs"))["path"] == "/obs"


def test_the_environments_exceptions_count(get, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", ".invalid")
    with pytest.raises(Exception) as error:  # noqa: PT011 - each library has its own
        get(settings(), "http://weather.invalid/")
    assert blame_of(error.value) == (502, "downstream")


def test_a_server_is_trusted_by_the_operators_authority_only(get, authority, tmp_path):
    with echo_server(server_tls(tmp_path, authority.issue("127.0.0.1"))) as running:
        trusting = settings({"tlsAuthWithCACert": True}, {"tlsCACert": authority.certificate})
        assert json.loads(get(trusting, running.url))["tls"].startswith("TLSv1")
        other = settings({"tlsAuthWithCACert": True}, {"tlsCACert": Authority("other").certificate})
        for source in (settings(), other):
            with pytest.raises(Exception) as error:  # noqa: PT011 - each library has its own
                get(source, running.url)
            assert blame_of(error.value).source == "downstream"


def test_authorities_of_the_environment_are_not_added_to_the_operators(authority, tmp_path, monkeypatch):
    (tmp_path / "ca.pem").write_text(authority.certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    source = settings({"tlsAuthWithCACert": True}, {"tlsCACert": Authority("other").certificate})
    tls = server_tls(tmp_path, authority.issue("127.0.0.1"))
    refused = pytest.raises(requests.exceptions.SSLError)
    with echo_server(tls) as running, source.requests_client() as client, refused:
        client.get(running.url)


def test_verification_can_be_skipped(get, authority, tmp_path):
    with echo_server(server_tls(tmp_path, authority.issue("elsewhere.example"))) as running:
        assert json.loads(get(settings({"tlsSkipVerify": True}), running.url))["tls"]


def test_a_client_certificate_is_shown(get, authority, tmp_path):
    own = authority.issue("graftage")
    values = {"tlsAuth": True, "tlsAuthWithCACert": True}
    secrets = {"tlsCACert": authority.certificate, "tlsClientCert": own.certificate, "tlsClientKey": own.key}
    tls = server_tls(tmp_path, authority.issue("127.0.0.1"), clients_of=authority.certificate)
    with echo_server(tls) as running:
        assert json.loads(get(settings(values, secrets), running.url))["client"]


def test_the_servers_name_may_be_another_than_the_urls(authority, tmp_path):
    values = {"tlsAuthWithCACert": True, "serverName": "weather.example"}
    source = settings(values, {"tlsCACert": authority.certificate})
    with echo_server(server_tls(tmp_path, authority.issue("weather.example"))) as running:
        assert json.loads(_httpx(source, running.url, {}, forward=False))["tls"]


def test_the_toggle_forces_tls_1_3(get, authority, tmp_path):
    import ssl

    tls = server_tls(tmp_path, authority.issue("127.0.0.1"))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    source = settings({"tlsSkipVerify": True})
    with echo_server(tls) as running:
        assert json.loads(get(source, running.url))["tls"] == "TLSv1.2"
        config = {"GF_INSTANCE_FEATURE_TOGGLES_ENABLE": "pluginsForceTls13"}
        with answering(call(config=config)), pytest.raises(Exception):  # noqa: B017, PT011 - each its own
            get(source, running.url)


@pytest.mark.parametrize(
    ("values", "secrets", "complaint"),
    [
        ({"tlsAuthWithCACert": True}, {"tlsCACert": "hunter2"}, "tlsCACert"),
        ({"tlsAuth": True}, {"tlsClientCert": "hunter2", "tlsClientKey": "hunter2"}, "tlsClientCert"),
    ],
)
def test_certificates_that_are_none_are_named_and_not_shown(get, values, secrets, complaint):
    with pytest.raises(SettingsError, match=complaint) as error:
        get(settings(values, secrets), "https://127.0.0.1:1")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("key", ["sigV4Auth", "enableSecureSocksProxy"])
def test_what_a_library_cannot_do_is_said(key):
    for make in (settings({key: True}).requests_client, settings({key: True}).opener):
        with pytest.raises(SettingsError, match=rf"cannot do what {key} asks for.*http_client"):
            make()


async def test_requests_to_aws_are_signed(server):
    values = {"sigV4Auth": True, "sigV4Region": "eu-central-1", "sigV4AuthType": "keys"}
    source = settings(values, {"sigV4AccessKey": "AKID", "sigV4SecretKey": "s"}, url=server.url)
    async with source.http_client(aws_service="aps") as client:
        answer = (await client.post("/api/v1/query", content=b"query=up")).json()
    assert answer["body"] == "query=up"
    assert answer["headers"]["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "/eu-central-1/aps/aws4_request, SignedHeaders=" in answer["headers"]["authorization"]


async def test_a_tls_handshake_that_takes_too_long_is_given_up(authority):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        source = settings({"httpTLSHandshakeTimeout": 0.05, "dialTimeout": 30})
        async with asyncio.timeout(10), source.http_client() as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(f"https://127.0.0.1:{mute.getsockname()[1]}")


@pytest.mark.parametrize(
    ("library", "module", "factory"),
    [("httpx", "http_client", "http_client"), ("requests", "http_requests", "requests_client")],
)
def test_a_library_that_is_missing_is_named_with_how_to_get_it(library, module, factory, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"graftage.sdk.{module}", raising=False)
    with pytest.raises(PluginFault, match=f"needs {library}; install it with: pip install"):
        getattr(settings(), factory)()


class Relaying(DataSource):
    """Tells which credentials reach the remote system."""

    async def check_health(self) -> str:
        async with self.settings.http_client() as client:
            return (await client.get("/")).json()["headers"].get("authorization", "")

    async def query(self, query: Query[dict[str, Any]]) -> Any:
        return {"authorization": [await self.check_health()]}


@pytest.mark.parametrize(("values", "told"), [({"oauthPassThru": True}, "Bearer user"), ({}, "")])
async def test_headers_of_a_real_call_reach_the_remote_system(server, values, told):
    headers = {"Authorization": "Bearer user"}
    async with plugin_client(Relaying, settings=values, url=server.url) as client:
        answers = await client.query(A={}, headers=headers)
        report = await client.check_health(headers=headers)
    assert answers["A"].frame.fields[0].values.tolist() == [told]
    assert report.message == told


def test_passwords_in_netrc_are_none_of_a_data_sources(get, server, tmp_path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    for path in ("", "/redirect?to=/here"):
        assert "authorization" not in sent(get(settings(), server.url + path))


def test_requests_are_counted_by_type_method_and_status(get, server):
    source = settings(type=f"counted-{get.library}")
    get(source, server.url)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
        get(source, f"{server.url}/status?code=404")
    text = PLUGIN_METRICS.text()
    of_type = f'datasource_type="counted-{get.library}",secure_socks_ds_proxy_enabled="false"'
    for code in (200, 404):
        assert f'plugins_datasource_request_total{{{of_type},code="{code}",method="get"}} 1' in text
    assert f"plugins_datasource_request_in_flight{{{of_type}}} 1" not in text


def test_an_answer_that_is_cut_off_is_an_error(get, server):
    for limit in ("", "1000"):
        with answering(call(config={"GF_RESPONSE_LIMIT": limit})), pytest.raises(Exception) as error:  # noqa: PT011
            get(settings(), f"{server.url}/cut")
        assert type(error.value).__name__ in ("RemoteProtocolError", "ChunkedEncodingError", "IncompleteRead")


async def test_a_cookie_of_one_user_is_not_sent_for_another(server):
    source = settings(url=server.url)
    async with source.http_client() as client:
        await client.get("/cookie")
        assert "cookie" not in (await client.get("/")).json()["headers"]
    with source.requests_client() as session, source.opener().open(f"{server.url}/cookie"):
        session.get(f"{server.url}/cookie")
        assert "cookie" not in session.get(server.url).json()["headers"]


def test_requests_makes_no_exception_of_its_own_for_size(server):
    with answering(call(config={"GF_RESPONSE_LIMIT": "10"})), settings().requests_client() as client:
        response: requests.Response = client.get(f"{server.url}/big?bytes=11", stream=True)
        with response, pytest.raises(ResponseTooLarge):
            b"".join(response.iter_content(4))
