"""Whether Grafana would take a text for the url of a data source.

Source: Go 1.16, net/url, `Parse`; and Grafana 7.5.5, pkg/api/datasource/validation.go, which puts `http://`
before a text without a scheme.
"""

from __future__ import annotations

import re

_HAS_SCHEME = re.compile(r"[^:]*://")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_USER = re.compile(r"[a-zA-Z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile(r"(:[0-9]*)?")
# In a host, an escape may stand for a percent sign or for a byte beyond ASCII, and for nothing else.
_HOST = re.compile(r"""(?:[a-zA-Z0-9\-_.~!$&'()*+,;=:\[\]<>"]|[^\x00-\x7f]|%25|%[89a-fA-F][0-9a-fA-F])*""")
# A zone such as `%25eth0` may hold any escape.
_ZONE = re.compile(r"""(?:[a-zA-Z0-9\-_.~!$&'()*+,;=:\[\]<>"]|[^\x00-\x7f]|%[0-9a-fA-F]{2})*""")


def is_url(text: str) -> bool:
    """Would it parse? A text without a scheme is read as the rest of an `http://` one."""
    if not text.strip():
        return False
    before_fragment, _, fragment = (text if _HAS_SCHEME.match(text) else "http://" + text).partition("#")
    if _CONTROL.search(before_fragment) or _BROKEN_ESCAPE.search(fragment):
        return False
    scheme = _SCHEME.match(before_fragment)
    if scheme is None:
        # Such as `1ttp://host`: no scheme, and a relative path must not look as if it had one.
        return not before_fragment.startswith(":") and ":" not in before_fragment.partition("/")[0]
    rest = before_fragment[scheme.end() :].partition("?")[0]
    authority, slash, path = rest.removeprefix("//").partition("/")
    return not _BROKEN_ESCAPE.search(slash + path) and _is_authority(authority)


def _is_authority(authority: str) -> bool:
    user, _, host = authority.rpartition("@")
    return bool(_USER.fullmatch(user)) and not _BROKEN_ESCAPE.search(user) and _is_host(host)


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        _, colon, port = host.rpartition(":")
        return (not colon or bool(_PORT.fullmatch(colon + port))) and bool(_HOST.fullmatch(host))
    inside, bracket, port = host.rpartition("]")
    if not bracket or not _PORT.fullmatch(port):
        return False
    address, percent, zone = inside.partition("%25")
    return bool(_HOST.fullmatch(address)) and bool(_ZONE.fullmatch(percent + zone))
