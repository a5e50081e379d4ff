from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path

import pytest

from graftage.server.routes import health
from support.in_memory import app_with, client_of

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"


class Database:
    """A database that can be out of order, and knows how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.works = True

    def check(self) -> None:
        self.asked += 1
        if not self.works:
            raise OSError("disk on fire")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def client(database: Database, clock: Clock | None = None):  # type: ignore[no-untyped-def]  # httpx's client
    routes = health.routes(check_database=database.check, reported_version="7.5.5", clock=clock or Clock())
    return client_of(app_with(*routes))


def recorded() -> list[object]:
    cases = json.loads((GOLDEN / "basics.7.5.5.json").read_text())
    return [pytest.param(case, id=case["name"]) for case in cases if case["name"].startswith("health")]


@pytest.mark.parametrize("case", recorded())
async def test_health_is_answered_as_recorded(case: dict[str, dict[str, object]]) -> None:
    async with client(Database()) as http:
        response = await http.request(str(case["request"]["method"]), str(case["request"]["path"]))
    expected = case["response"]
    assert response.status_code == expected["status"]
    assert response.headers["content-type"] == expected["content_type"]
    assert response.text == expected["body_text"]


async def test_a_database_that_does_not_answer_makes_503(caplog: pytest.LogCaptureFixture) -> None:
    database = Database()
    database.works = False
    with caplog.at_level(logging.ERROR):
        async with client(database) as http:
            response = await http.get("/api/health")
    assert (response.status_code, response.json()["database"]) == (503, "failing")
    assert "disk on fire" in caplog.text


async def test_the_database_is_asked_every_five_seconds_at_most() -> None:
    database, clock = Database(), Clock()
    async with client(database, clock) as http:
        for seconds, asked, status in [(0, 1, 200), (4.9, 1, 200), (0.1, 2, 503), (4.9, 2, 503), (5, 3, 200)]:
            clock.now += seconds
            database.works = asked != 2
            assert (await http.get("/api/health")).status_code == status
            assert database.asked == asked


async def test_requests_at_one_time_wait_for_one_check() -> None:
    database, may_answer = Database(), threading.Event()

    def check() -> None:
        database.check()
        may_answer.wait(10)

    routes = health.routes(check_database=check, reported_version="7.5.5")
    async with client_of(app_with(*routes)) as http, asyncio.TaskGroup() as requests:
        answers = [requests.create_task(http.get("/api/health")) for _ in range(3)]
        await asyncio.sleep(0)
        may_answer.set()
    assert [answer.result().status_code for answer in answers] == [200, 200, 200]
    assert database.asked == 1
