from __future__ import annotations

import pytest

from graftage.server.go_url import is_url


@pytest.mark.parametrize(
    "text",
    [
        "http://h:1/p?q=1",
        "host:80/p",
        "localhost",
        "http://",
        "http://[::1]:80",
        "http://[fe80::1%25en0]:80/",
        "http://user:p%20w@h/",
        "http://h/ a path with spaces/ü",
        "http://hö/",
        "http://h:/",
        "http://h?%zz",
        "http://h/#a b",
        "unix:///run/x.sock",
        "a+b-c.1://h",
        "1ttp",
    ],
)
def test_what_go_parses_is_a_url(text):
    assert is_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "http:opaque",
        "http://[::1",
        "http://[::1]80",
        "http://h:port",
        "http://h:80:x",
        "http://h h/",
        "http://h/%zz",
        "http://h/%2",
        "http://h%41/",
        "http://us er@h/",
        "http://u%zz@h/",
        "http://h/\n",
        "http://h/#%zz",
        "1ttp://h",
        "://h",
        "   ",
    ],
)
def test_what_go_refuses_is_none(text):
    assert not is_url(text)
