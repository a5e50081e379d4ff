"""What of an HTTP request's headers goes with a query, or a check of health, to the plugin that it leads to.

    {"http_X-Dashboard-Uid": "abc", "Cookie": "session=1"}

What alert rules and logins add is not taken from a client: it would be believed.

Sources: grafana 12, pkg/services/pluginsintegration/clientmiddleware (`tracing_header_middleware.go`,
`cookies_middleware.go`); grafana-plugin-sdk-go, backend/http_headers.go (`SetHTTPHeader`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from graftage.server.cookies import kept_cookies

# Where a query comes from, as dashboards say.
_TRACES: Final = (
    "X-Query-Group-Id",
    "X-Panel-Id",
    "X-Dashboard-Uid",
    "X-Datasource-Uid",
    "X-Grafana-From-Expr",
    "X-Grafana-Org-Id",
    "X-Panel-Plugin-Id",
    "X-Dashboard-Title",
    "X-Panel-Title",
)


def call_headers(received: Iterable[tuple[str, str]], *, cookies: frozenset[str]) -> dict[str, str]:
    """The headers of a call.

    received: those of the request, their names in lower case. cookies: the names of those that the data
    source may see.
    """
    received = list(received)
    first = dict(reversed(received))
    headers = {f"http_{name}": first[name.lower()] for name in _TRACES if first.get(name.lower())}
    if kept := kept_cookies(received, cookies):
        headers["Cookie"] = kept
    return headers
