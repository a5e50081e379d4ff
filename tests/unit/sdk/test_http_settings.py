"""What the standard settings page of an HTTP data source says, and what is wrong with it."""

from __future__ import annotations

import pytest

from graftage.errors import SettingsError
from graftage.sdk.http_settings import Login, Pool, SigV4, TimeOuts
from graftage.sdk.model import UnreadableModel
from graftage.sdk.settings import Settings
from support.http_sources import settings


def test_without_settings_everything_is_as_in_the_go_sdk():
    http = settings(url="http://weather").http
    assert http.url == "http://weather"
    assert http.time_outs == TimeOuts(30, 10, 30, 10, 1, 90)
    assert http.pool == Pool(per_host=0, idle=100, idle_per_host=100)
    assert (http.login, http.sigv4, http.socks, http.forwards) == (None, None, None, False)


@pytest.mark.parametrize(
    ("values", "secrets", "others", "login"),
    [
        (
            {},
            {"basicAuthPassword": "p"},
            {"basic_auth_enabled": True, "basic_auth_user": "u"},
            Login("u", "p"),
        ),
        ({"basicAuth": True, "basicAuthUser": "u"}, {"basicAuthPassword": "p"}, {}, Login("u", "p")),
        ({}, {"password": "p"}, {"user": "u"}, Login("u", "p")),
        (
            {"basicAuth": True, "basicAuthUser": "old"},
            {"basicAuthPassword": "p"},
            {"basic_auth_enabled": True, "basic_auth_user": "new"},
            Login("new", "p"),
        ),
        ({}, {"basicAuthPassword": "p", "password": "p"}, {"basic_auth_user": "u"}, None),
    ],
)
def test_who_logs_in_is_found_where_each_grafana_has_it(values, secrets, others, login):
    assert settings(values, secrets, **others).http.login == login


def test_time_outs_and_pool_are_read():
    values = {
        "timeout": 1, "dialTimeout": 2.5, "httpKeepAlive": 3, "httpTLSHandshakeTimeout": 4,
        "httpExpectContinueTimeout": 5, "httpIdleConnTimeout": 6, "httpMaxConnsPerHost": 7,
        "httpMaxIdleConns": 8, "httpMaxIdleConnsPerHost": 9,
    }  # fmt: skip
    http = settings(values).http
    assert http.time_outs == TimeOuts(1, 2.5, 3, 4, 5, 6)
    assert http.pool == Pool(7, 8, 9)


@pytest.mark.parametrize(
    ("pool", "kept"), [(Pool(), 100), (Pool(idle=5), 5), (Pool(idle=0), 100), (Pool(idle_per_host=0), 2)]
)
def test_idle_connections_are_limited_as_a_whole_and_for_a_host(pool, kept):
    assert pool.kept == kept


def test_headers_are_read_up_to_the_first_gap():
    values = {f"httpHeaderName{number}": f"X-{number}" for number in (1, 2, 3, 5)}
    secrets = {f"httpHeaderValue{number}": f"v{number}" for number in (1, 3, 5)}
    assert dict(settings(values, secrets).http.headers) == {"X-1": "v1", "X-3": "v3"}


@pytest.mark.parametrize(
    ("switches", "ca", "certificate", "name"),
    [
        ({}, "", "", ""),
        ({"tlsAuth": True}, "", "C", "n"),
        ({"tlsAuthWithCACert": True}, "A", "", "n"),
        ({"tlsAuth": True, "tlsAuthWithCACert": True}, "A", "C", "n"),
    ],
)
def test_certificates_count_only_while_their_switch_is_on(switches, ca, certificate, name):
    secrets = {"tlsCACert": "A", "tlsClientCert": "C", "tlsClientKey": "K"}
    tls = settings({**switches, "serverName": "n"}, secrets).http.tls
    assert (tls.ca, tls.certificate, tls.server_name) == (ca, certificate, name)


def test_half_a_client_certificate_is_an_error():
    with pytest.raises(SettingsError, match="tlsClientKey"):
        _ = settings({"tlsAuth": True}, {"tlsClientCert": "C"}).http


def test_sigv4_is_read_when_it_is_on():
    values = {
        "sigV4Region": "r", "sigV4AuthType": "keys", "sigV4Profile": "p", "sigV4AssumeRoleArn": "a",
        "sigV4ExternalId": "e",
    }  # fmt: skip
    secrets = {"sigV4AccessKey": "k", "sigV4SecretKey": "s", "sigV4SessionToken": "t"}
    assert settings(values, secrets).http.sigv4 is None
    signing = settings({**values, "sigV4Auth": True}, secrets).http.sigv4
    assert signing == SigV4("r", "keys", "p", "a", "e", "k", "s", "t")


def test_who_logs_in_to_the_socks_proxy_is_the_data_source_unless_it_says_otherwise():
    on = {"enableSecureSocksProxy": True}
    assert settings(on).http.socks == Login("w1", "")
    named = settings({**on, "secureSocksProxyUsername": "u"}, {"secureSocksProxyPassword": "p"})
    assert named.http.socks == Login("u", "p")


def test_what_is_to_be_forwarded_is_read():
    http = settings({"oauthPassThru": True, "keepCookies": ["session"]}).http
    assert (http.forward_oauth, http.keep_cookies, http.forwards) == (True, ("session",), True)


WRONG = {
    "basicAuth": "yes", "timeout": "30", "dialTimeout": True, "httpKeepAlive": [],
    "httpTLSHandshakeTimeout": {}, "httpExpectContinueTimeout": "1", "httpIdleConnTimeout": "90",
    "httpMaxConnsPerHost": "7", "httpMaxIdleConns": 1.5, "httpMaxIdleConnsPerHost": "8",
    "tlsAuth": "true", "tlsAuthWithCACert": 1,
    "tlsSkipVerify": "no", "serverName": 5, "httpHeaderName1": 5, "sigV4Auth": "on",
    "enableSecureSocksProxy": "true", "oauthPassThru": 1, "keepCookies": "session", "url": 3,
}  # fmt: skip
WRONG_BEHIND = {
    "basicAuthUser": {"basicAuth": True},
    "sigV4Region": {"sigV4Auth": True},
    "sigV4AuthType": {"sigV4Auth": True},
    "sigV4Profile": {"sigV4Auth": True},
    "sigV4AssumeRoleArn": {"sigV4Auth": True},
    "sigV4ExternalId": {"sigV4Auth": True},
    "secureSocksProxyUsername": {"enableSecureSocksProxy": True},
}


@pytest.mark.parametrize(
    "values", [{key: wrong} for key, wrong in WRONG.items()] + [{**b, k: 5} for k, b in WRONG_BEHIND.items()]
)
def test_a_key_of_a_wrong_type_is_named_with_that_type(values):
    key = list(values)[-1]
    with pytest.raises(SettingsError, match=rf"jsonData\.{key} (is|holds) .*; expected "):
        _ = settings(values, {"httpHeaderValue1": "v"}).http


def test_a_value_in_the_wrong_place_is_not_told():
    with pytest.raises(SettingsError) as error:
        _ = settings({"timeout": "hunter2"}).http
    assert str(error.value) == "jsonData.timeout is a text; expected a number"


def test_numbers_below_zero_are_errors():
    with pytest.raises(SettingsError, match=r"timeout is -1\.0; expected a number from 0 on"):
        _ = settings({"timeout": -1}).http


def test_null_is_as_missing():
    assert settings({"timeout": None, "tlsAuth": None}).http.time_outs.total == 30


def test_settings_made_by_hand_count_as_well():
    by_hand = Settings(id=1, org_id=1, name="Weather", type="acme", json={"timeout": 5})
    assert by_hand.http.time_outs.total == 5


def test_json_that_is_no_object_is_an_error():
    with pytest.raises(UnreadableModel, match="Weather"):
        _ = settings([1]).http  # type: ignore[arg-type]


def test_secrets_do_not_show():
    values = {"httpHeaderName1": "X-Key", "basicAuth": True, "sigV4Auth": True, "tlsAuth": True,
              "enableSecureSocksProxy": True}  # fmt: skip
    keys = ("basicAuthPassword", "httpHeaderValue1", "tlsClientKey", "sigV4AccessKey", "sigV4SecretKey",
            "sigV4SessionToken", "secureSocksProxyPassword")  # fmt: skip
    secrets = {"tlsClientCert": "C", **{key: f"hunter-{key}" for key in keys}}
    assert "hunter" not in repr(settings(values, secrets).http)
