from __future__ import annotations

import pytest

from graftage.server.call_headers import call_headers
from graftage.server.cookies import cookies_to_keep, kept_cookies

NONE: frozenset[str] = frozenset()


def test_where_a_query_comes_from_is_told_by_the_names_of_http() -> None:
    received = [("x-dashboard-uid", "abc"), ("x-panel-id", "7"), ("x-grafana-org-id", "1"), ("accept", "*/*")]
    assert call_headers(received, cookies=NONE) == {
        "http_X-Dashboard-Uid": "abc",
        "http_X-Panel-Id": "7",
        "http_X-Grafana-Org-Id": "1",
    }


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "x-id-token",
        "fromalert",
        "http_fromalert",
        "x-grafana-user",
        "x-grafana-id",
        "cookie",
    ],
)
def test_nobody_makes_a_plugin_believe_who_asks(name: str) -> None:
    assert call_headers([(name, "true")], cookies=NONE) == {}


def test_of_a_header_sent_twice_the_first_counts_and_an_empty_one_is_none() -> None:
    received = [("x-panel-id", "1"), ("x-panel-id", "2"), ("x-dashboard-uid", "")]
    assert call_headers(received, cookies=NONE) == {"http_X-Panel-Id": "1"}


def test_cookies_go_along_if_the_data_source_names_them() -> None:
    received = [("cookie", "keep=1; drop=2"), ("cookie", "also=3")]
    assert call_headers(received, cookies=frozenset({"keep", "also"})) == {"Cookie": "keep=1; also=3"}


@pytest.mark.parametrize(
    ("json_data", "names"),
    [
        ('{"keepCookies":["a","b"]}', {"a", "b"}),
        ('{"keepCookies":["a",1,null]}', {"a"}),
        ('{"keepCookies":"a"}', set()),
        ("{}", set()),
        ("[]", set()),
    ],
)
def test_cookies_are_named_by_a_list_of_texts(json_data: str, names: set[str]) -> None:
    assert cookies_to_keep(json_data) == names


def test_a_cookie_is_kept_by_its_exact_name() -> None:
    received = [("cookie", "keep=1; Keep=2; keeper=3; keep")]
    assert kept_cookies(received, frozenset({"keep"})) == "keep=1; keep"
