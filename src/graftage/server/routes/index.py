"""The page at ``/``, for a person with a browser, and the one for a page that does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from graftage.host.supervision import PluginStatus
from graftage.server.routing import Route

_HTML: Final = "text/html; charset=UTF-8"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884 }}
code {{ font-size: .95em }}
</style>
</head>
<body>
<h1>{title}</h1>
{content}
</body>
</html>
"""


def routes(*, statuses: Callable[[], Iterable[PluginStatus]]) -> list[Route]:
    """statuses: how every backend plugin is."""

    async def index(request: Request) -> Response:
        """GET /"""
        return _page("Graftage", _API + _plugins(statuses()))

    return [Route("/", {"GET": index}, exact=True)]


def missing_page() -> Response:
    """For a path outside the API that leads nowhere."""
    return _page(
        "Page not found", '<p>Nothing is here. <a href="/">The start page</a> names what is.</p>\n', 404
    )


_API: Final = """<p>A host of Grafana backend plugins. Its API:</p>
<table>
<tr><td><code>POST /api/ds/query</code></td><td>query data sources, for data frames</td></tr>
<tr><td><code>POST /api/tsdb/query</code></td><td>query data sources, for series and tables</td></tr>
<tr><td><code>GET /api/datasources</code></td><td>the configured data sources</td></tr>
<tr><td><code>GET /api/plugins</code></td><td>the installed plugins</td></tr>
<tr><td><a href="/api/health"><code>GET /api/health</code></a></td><td>is the server well?</td></tr>
<tr><td><a href="/metrics"><code>GET /metrics</code></a></td><td>numbers for Prometheus</td></tr>
</table>
"""


def _plugins(statuses: Iterable[PluginStatus]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status.id)}</td><td>{escape(status.version)}</td><td>{escape(status.state)}</td>"
        f"<td>{escape(status.reason)}</td></tr>\n"
        for status in statuses
    )
    if not rows:
        return "<p>No backend plugin is installed.</p>\n"
    return f"<h2>Plugins</h2>\n<table>\n<tr><th>id<th>version<th>state<th></tr>\n{rows}</table>\n"


def _page(title: str, content: str, status: int = 200) -> Response:
    return Response(_PAGE.format(title=title, content=content), status, headers={"content-type": _HTML})
