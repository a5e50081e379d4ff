"""The caller's cookies that a data source gets to see: those that its `keepCookies` names, and no others.

Source: grafana 7.5, pkg/util/proxyutil (`ClearCookieHeader`).
"""

from __future__ import annotations

from collections.abc import Iterable

from graftage.data.canonical_json import Number, read_json


def cookies_to_keep(json_data: str) -> frozenset[str]:
    """The names that the `jsonData` of a data source lists."""
    settings = read_json(json_data)
    names = settings.get("keepCookies") if isinstance(settings, dict) else None
    return frozenset(filter(_is_text, names)) if isinstance(names, list) else frozenset()


def kept_cookies(received: Iterable[tuple[str, str]], names: frozenset[str]) -> str:
    """The value of a header `Cookie` with these only, empty if there are none.

    received: all headers, their names in lower case.
    """
    cookies = (cookie.strip() for name, value in received if name == "cookie" for cookie in value.split(";"))
    return "; ".join(cookie for cookie in cookies if cookie.partition("=")[0] in names)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)
