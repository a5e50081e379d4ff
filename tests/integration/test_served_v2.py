"""A plugin of protocol version 2 behind the real server: queries, health, and questions to its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.server import Server, running_server

PLUGIN_ID = "relay-datasource"
PROGRAM = """
from graftage import DataSource, Health, serve

class Relay(DataSource):
    async def query(self, query):
        if "other" not in query.model:
            return {"name": [query.settings.name], "asked_by": [query.user.role]}
        model = {"other": query.model["then"]} if "then" in query.model else {}
        return list(await query.host.query(query.model["other"], "A", model))

    def check_health(self):
        return Health.ok(f"{self.settings.name} answers")

serve(Relay)
"""
PLUGIN_JSON = (
    f'{{"type": "datasource", "id": "{PLUGIN_ID}", "name": "Relay", "backend": true, "executable": "relay"}}'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "plugin.json").write_text(PLUGIN_JSON, encoding="utf-8")
    (folder / "relay.py").write_text(PROGRAM, encoding="utf-8")
    with running_server(Path(folder)) as server:
        server.plugin(PLUGIN_ID)
        for name in ("one", "two"):
            server.post("/api/datasources", {"name": name, "uid": name, "type": PLUGIN_ID, "access": "proxy"})
        yield server


def ask(server: Server, uid: str, **model: str) -> dict[str, object]:
    query = {"refId": "A", "datasource": {"uid": uid}, **model}
    answer = server.http.post(
        "/api/ds/query", json={"from": "now-1h", "to": "now", "queries": [query]}
    ).json()
    result: dict[str, object] = answer["results"]["A"]
    return result


def values(result: dict[str, object]) -> object:
    assert "error" not in result, result["error"]
    (frame,) = result["frames"]  # type: ignore[misc]  # it is a list
    return frame["data"]["values"]


def test_a_plugin_that_serves_both_versions_is_asked_in_the_newer_one(server: Server) -> None:
    assert values(ask(server, "one")) == [["one"], ["Admin"]]


def test_its_health_is_told(server: Server) -> None:
    assert server.get("/api/datasources/uid/two/health") == {"message": "two answers", "status": "OK"}


def test_a_plugin_asks_another_data_source_in_the_name_of_who_asked(server: Server) -> None:
    assert values(ask(server, "one", other="two")) == [["two"], ["Admin"]]


def test_a_data_source_that_would_ask_itself_is_told_so(server: Server) -> None:
    result = ask(server, "one", other="two", then="one")
    assert "would ask itself: one -> two -> one" in str(result["error"])


def test_a_data_source_that_does_not_exist_is_named(server: Server) -> None:
    assert "'nobody'" in str(ask(server, "one", other="nobody")["error"])
