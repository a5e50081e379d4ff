from __future__ import annotations

import pytest

from graftage.backend.secrets import Secrets
from graftage.server.forwarding import Target, request_headers, response_headers, target
from graftage.store.data_sources import DataSource

PLAIN = DataSource("n", "t", "proxy", url="http://h")
TARGET = Target("http", "h:1", "/")


def forwarded(received: dict[str, str], source: DataSource = PLAIN) -> dict[str, str]:
    headers = request_headers(received.items(), source, TARGET, client="127.0.0.1", version="7.5.5")
    assert len(dict(headers)) == len(headers)
    return dict(headers)


OWN = {"host": "h:1", "user-agent": "Grafana/7.5.5", "x-forwarded-for": "127.0.0.1"}


@pytest.mark.parametrize(
    ("url", "rest", "query", "expected"),
    [
        ("http://h:1/root", "api/x", "a=1&b=2", Target("http", "h:1", "/root/api/x?a=1&b=2")),
        ("http://h:1/root/", "x", "", Target("http", "h:1", "/root/x")),
        ("http://h:1", "x", "", Target("http", "h:1", "/x")),
        ("http://h:1/root", "", "", Target("http", "h:1", "/root")),
        ("http://h:1/root/", "", "", Target("http", "h:1", "/root")),
        ("http://h:1", "", "q", Target("http", "h:1", "/?q")),
        ("http://h:1/root", "x/y/", "", Target("http", "h:1", "/root/x/y/")),
        ("http://h:1/root", "/x//y", "", Target("http", "h:1", "/root/x//y")),
        ("http://h:1/root", "a/../b", "", Target("http", "h:1", "/root/a/../b")),
        ("http://h:1/root", "a%20b/c%2Fd/%2e%2e", "", Target("http", "h:1", "/root/a%20b/c%2Fd/%2e%2e")),
        ("http://user:pass@h:1/root?base=1#part", "x", "own=1", Target("http", "h:1", "/root/x?own=1")),
        ("h:1/root", "x", "", Target("http", "h:1", "/root/x")),
        ("https://h", "x", "", Target("https", "h", "/x")),
        ("http://[::1]:8080/", "x", "", Target("http", "[::1]:8080", "/x")),
    ],
)
def test_the_rest_of_a_path_stands_behind_the_url(url: str, rest: str, query: str, expected: Target) -> None:
    assert target(url, rest, query) == expected


@pytest.mark.parametrize(
    "url", ["", "http://", "/root", "ftp://h/", "http://h:port/", "http://[::1", "file:///etc/passwd"]
)
def test_a_url_without_a_server_is_no_target(url: str) -> None:
    assert target(url, "x", "") is None


def test_what_the_caller_is_known_by_stays_here() -> None:
    received = {
        "authorization": "Bearer k",
        "cookie": "grafana_session=1",
        "origin": "http://o",
        "referer": "http://r",
        "x-forwarded-host": "fh",
        "x-forwarded-port": "1",
        "x-forwarded-proto": "https",
        "x-grafana-user": "spoof",
        "user-agent": "me/1",
        "host": "here",
    }
    assert forwarded(received) == OWN


def test_other_headers_pass() -> None:
    received = {
        "accept": "text/x",
        "x-custom": "c",
        "x-grafana-org-id": "1",
        "x-panel-id": "6",
        "accept-encoding": "br",
    }
    assert forwarded(received) == OWN | received


def test_headers_of_one_hop_stay_on_it() -> None:
    received = {
        "connection": "keep-alive, X-Hop",
        "x-hop": "h",
        "keep-alive": "5",
        "upgrade": "h2c",
        "te": "trailers, gzip",
    }
    assert forwarded(received) == OWN | {"te": "trailers"}


def test_the_caller_is_added_to_the_way_once() -> None:
    assert forwarded({"x-forwarded-for": "9.9.9.9"})["x-forwarded-for"] == "9.9.9.9, 127.0.0.1"


BASIC = DataSource(
    "n", "t", "proxy", url="http://h", basic_auth=True, basic_auth_user="bu", basic_auth_password="bp"
)


@pytest.mark.parametrize(
    ("source", "received", "expected"),
    [
        (BASIC, {}, "Basic YnU6YnA="),
        (BASIC, {"authorization": "Basic YWRtaW46YWRtaW4="}, "Basic YnU6YnA="),
        (BASIC, {"x-ds-authorization": "Bearer ds"}, "Bearer ds"),
        (BASIC, {"x-ds-authorization": ""}, "Basic YnU6YnA="),
        (PLAIN, {"x-ds-authorization": "Bearer ds"}, "Bearer ds"),
    ],
)
def test_credentials_are_those_of_the_data_source(
    source: DataSource, received: dict[str, str], expected: str
) -> None:
    assert forwarded(received, source) == OWN | {"authorization": expected}


def test_a_sealed_password_wins_over_a_clear_one() -> None:
    source = DataSource(
        *("n", "t", "proxy"),
        basic_auth=True,
        basic_auth_user="bu",
        basic_auth_password="old",
        secrets=Secrets({"basicAuthPassword": "sec"}),
    )
    assert forwarded({}, source)["authorization"] == "Basic YnU6c2Vj"


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ('["keep","also"]', "keep=1; also=3"),
        ('["nothing"]', None),
        ('"keep"', None),
        ("null", None),
    ],
)
def test_only_the_cookies_that_the_data_source_names_pass(names: str, kept: str | None) -> None:
    source = DataSource("n", "t", "proxy", json_data=f'{{"keepCookies":{names}}}')
    assert forwarded({"cookie": "keep=1; drop=2; also=3; Keep=4"}, source).get("cookie") == kept


def custom(json_data: str, **secrets: str) -> DataSource:
    return DataSource("n", "t", "proxy", json_data=json_data, secrets=Secrets(secrets))


def test_custom_headers_replace_the_callers_and_stop_at_the_first_gap() -> None:
    source = custom(
        '{"httpHeaderName1":"X-One","httpHeaderName2":"Authorization","httpHeaderName4":"X-Four"}',
        httpHeaderValue1="1",
        httpHeaderValue2="Token t",
        httpHeaderValue4="4",
    )
    received = {"x-one": "caller", "x-four": "caller"}
    assert forwarded(received, source) == OWN | {"x-one": "1", "authorization": "Token t", "x-four": "caller"}


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_a_custom_header_cannot_change_where_a_message_goes_or_ends(name: str) -> None:
    source = custom(
        f'{{"httpHeaderName1":"{name}","httpHeaderName2":"X-Two"}}',
        httpHeaderValue1="x",
        httpHeaderValue2="2",
    )
    assert forwarded({}, source) == OWN | {"x-two": "2"}


@pytest.mark.parametrize("json_data", ["[1]", "7", '{"httpHeaderName1":7}', '{"httpHeaderName1":""}'])
def test_odd_json_data_sets_no_headers(json_data: str) -> None:
    assert forwarded({}, custom(json_data, httpHeaderValue1="x")) == OWN


def test_an_answer_comes_back_without_what_is_for_this_hop_or_for_this_server_to_say() -> None:
    received = [
        ("Set-Cookie", "a=1"),
        ("X-Frame-Options", "allow"),
        ("X-Content-Type-Options", "x"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Cache-Control", "max-age=5"),
        ("X-Up", "1"),
        ("X-Up", "2"),
    ]
    assert response_headers(received) == [("cache-control", "max-age=5"), ("x-up", "1"), ("x-up", "2")]
