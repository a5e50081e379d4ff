from __future__ import annotations

from datetime import UTC, datetime

from graftage.host.supervision import PluginStatus, State
from graftage.server.routes import index
from support.in_memory import app_with, client_of

SINCE = datetime(2019, 4, 15, tzinfo=UTC)


async def page(*statuses: PluginStatus) -> str:
    async with client_of(app_with(*index.routes(statuses=lambda: statuses))) as client:
        response = await client.get("/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    return response.text


async def test_the_page_shows_how_each_plugin_is() -> None:
    text = await page(
        PluginStatus("a-datasource", "1.0.0", State.RUNNING, SINCE),
        PluginStatus("b-datasource", "2.0.0", State.FAILED, SINCE, reason="no <executable>"),
    )
    assert "<td>a-datasource</td><td>1.0.0</td><td>running</td>" in text
    assert "<td>failed</td><td>no &lt;executable&gt;</td>" in text


async def test_a_server_without_plugins_says_so() -> None:
    assert "No backend plugin is installed." in await page()


async def test_the_page_names_both_ways_to_query() -> None:
    text = await page()
    assert "POST /api/ds/query" in text
    assert "POST /api/tsdb/query" in text
