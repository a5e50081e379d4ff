"""What an author's tests can ask a plugin, in this process and in one of its own."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graftage import DataSource, Health, PluginError, Query, Settings, current, resource, stream
from graftage.backend.health import HealthStatus
from graftage.errors import NotImplementedByPlugin, PluginFault
from graftage.host.launch import StartFailed
from graftage.testing import StreamRefused, SyncClient, plugin_client

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=6)
MOMENT = datetime(2019, 4, 15, 10, 37, 20, 782_000, UTC)


@dataclass
class Forecast:
    """The model of a query."""

    days: int = 1
    queryType: str = "forecast"  # noqa: N815 - as it is stored


class Weather(DataSource):
    """Answers with what it was asked."""

    async def query(self, query: Query[dict[str, Any]]) -> Any:
        if query.model.get("fails"):
            raise PluginError("no such station", status=404)
        span, settings = query.time_range, self.settings
        seen = {
            "type": query.query_type, "days": query.model.get("days"), "start": span.start.isoformat(),
            "end": span.end.isoformat(), "interval": query.interval.total_seconds(), "alert": query.is_alert,
            "points": query.max_data_points, "station": settings.json.get("station"), "url": settings.url,
            "secret": settings.secrets.get("key"), "user": query.user and query.user.login,
            "limit": query.context.config.response_limit,
        }  # fmt: skip
        return {"said": [f"{name}={value}" for name, value in seen.items()]}

    def check_health(self) -> Health:
        return Health.ok(f"asked by {current().plugin_id}", details={"station": self.settings.json})


class Broken(DataSource):
    def __init__(self, settings: Settings[Any]) -> None:
        raise PluginError("no station is set")

    def query(self, query: Query[dict[str, Any]]) -> None: ...


def double(query: Query[dict[str, Any]]) -> Any:
    return {"n": [query.model["n"] * 2]}


def said(answer: Any) -> dict[str, str]:
    return dict(text.split("=", 1) for text in answer.frame.fields[0].values.tolist())


WAYS = pytest.mark.parametrize(
    "way", [{}, {"version": 1}, {"process": True}, {"process": True, "version": 1}], ids=str
)


@WAYS
async def test_queries_are_answered_in_either_version_and_process(way):
    async with plugin_client(Weather, settings={"station": "EDDB"}, secrets={"key": "k"}, **way) as client:
        answers = await client.query(A={"days": 3}, B={"fails": True}, start=START, end=END)
    seen = said(answers["A"])
    assert (seen["station"], seen["secret"], seen["days"]) == ("EDDB", "k", "3")
    assert (seen["start"], seen["end"]) == (START.isoformat(), END.isoformat())
    assert (answers["B"].error, answers["B"].frames) == ("no such station", ())


async def test_a_failed_query_says_its_status_and_whose_fault_it_is():
    async with plugin_client(Weather) as client:
        answers = await client.query(A={"fails": True})
    assert (answers["A"].status, answers["A"].source) == (404, "plugin")
    with pytest.raises(AssertionError, match="query A was answered with the error 'no such station'"):
        _ = answers["A"].frame


async def test_a_query_may_be_of_the_authors_own_type():
    async with plugin_client(Weather, settings=Forecast(days=9)) as client:
        seen = said((await client.query(A=Forecast(days=2)))["A"])
    assert (seen["type"], seen["days"]) == ("forecast", "2")


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [
        ({"start": START, "end": END}, START, END),
        ({"last": "6h", "end": END}, START, END),
        ({"last": timedelta(hours=6), "end": END}, START, END),
        ({"start": START, "last": "6h"}, START, END),
        ({"end": END}, END - timedelta(hours=1), END),
        ({"start": 1555324640782, "last": "1s"}, MOMENT, MOMENT + timedelta(seconds=1)),
    ],
)
async def test_two_bounds_make_a_span(span, start, end):
    async with plugin_client(Weather) as client:
        seen = said((await client.query(A={}, **span))["A"])
    assert (seen["start"], seen["end"]) == (start.isoformat(), end.isoformat())


async def test_a_span_ends_now_unless_told_otherwise():
    async with plugin_client(Weather) as client:
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        seen = said((await client.query(A={}, last="5m"))["A"])
    end = datetime.fromisoformat(seen["end"])
    assert before <= end <= datetime.now(UTC)
    assert end - datetime.fromisoformat(seen["start"]) == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("span", "complaint"),
    [
        ({"start": START, "end": END, "last": "1h"}, "two of last, start and end"),
        ({"start": START.replace(tzinfo=None)}, "start has no time zone"),
        ({"end": "now"}, "end is str 'now'; expected a datetime with a time zone, or milliseconds"),
    ],
)
async def test_a_span_that_cannot_be_is_told(span, complaint):
    async with plugin_client(Weather) as client:
        with pytest.raises(TypeError, match=complaint):
            await client.query(A={}, **span)


@pytest.mark.parametrize(
    ("asked", "interval", "points"),
    [({}, "21.6", "1000"), ({"max_data_points": 6}, "3600.0", "6"), ({"interval": "30s"}, "30.0", "1000")],
)
async def test_the_interval_is_that_of_a_panel_unless_told_otherwise(asked, interval, points):
    async with plugin_client(Weather) as client:
        seen = said((await client.query(A={}, start=START, end=END, **asked))["A"])
    assert (seen["interval"], seen["points"]) == (interval, points)


async def test_the_call_may_come_from_anybody_and_from_any_grafana():
    async with plugin_client(Weather, user=None, config={"GF_RESPONSE_LIMIT": "5"}) as client:
        seen = said((await client.query(A={}, headers={"FromAlert": "true"}))["A"])
    assert (seen["user"], seen["limit"], seen["alert"]) == ("None", "5", "True")


async def test_other_fields_of_the_data_source_are_given_by_name():
    async with plugin_client(Weather, url="http://weather") as client:
        assert said((await client.query(A={}))["A"])["url"] == "http://weather"
    with pytest.raises(TypeError, match=r"no argument adress; expected some of settings, secrets, .*url"):
        async with plugin_client(Weather, adress="http://weather"):
            pass


async def test_saved_settings_make_a_new_object():
    async with plugin_client(Weather, settings={"station": "EDDB"}, url="http://weather") as client:
        other = client.reconfigured(settings={"station": "EGLL"})
        stations = [said((await asked.query(A={}))["A"]) for asked in (client, other)]
    assert [seen["station"] for seen in stations] == ["EDDB", "EGLL"]
    assert stations[1]["url"] == "http://weather"


@pytest.mark.parametrize("way", [{}, {"process": True}], ids=str)
async def test_a_plugin_says_how_it_is_and_what_it_counts(way):
    async with plugin_client(Weather, settings={"station": "EDDB"}, **way) as client:
        report = await client.check_health()
        metrics = await client.metrics()
    assert (report.status, report.message) == (HealthStatus.OK, "asked by tested-datasource")
    assert report.details_json == b'{"station":{"station":"EDDB"}}'
    assert 'grafana_plugin_request_total{endpoint="checkHealth"' in metrics


async def test_a_plugin_that_cannot_be_made_is_not_well_and_answers_no_query():
    async with plugin_client(Broken) as client:
        report = await client.check_health()
        answers = await client.query(A={})
    assert (report.status, report.message) == (HealthStatus.ERROR, "no station is set")
    assert answers["A"].error == "no station is set"


@pytest.mark.parametrize("way", [{}, {"process": True}], ids=str)
async def test_a_function_is_a_plugin_too(way):
    async with plugin_client(double, **way) as client:
        assert (await client.query(A={"n": 21}))["A"].frame.fields[0].values.tolist() == [42]


async def test_an_object_serves_every_data_source():
    class Counting:
        asked = 0

        def query(self, query: Any) -> Any:
            self.asked += 1
            return {"n": [self.asked]}

    counting = Counting()
    async with plugin_client(counting) as client:
        await client.query(A={})
        await client.reconfigured().query(A={})
    assert counting.asked == 2


async def test_the_file_of_a_plugin_runs_as_the_program_that_it_is(tmp_path):
    file = tmp_path / "plugin.py"
    file.write_text(
        "from graftage import serve\nimport beside\n"
        "if __name__ == '__main__':\n    serve(query=lambda query: {'n': [beside.NUMBER]})\n"
    )
    (tmp_path / "beside.py").write_text("NUMBER = 7\n")
    async with plugin_client(file) as client:
        assert (await client.query(A={}))["A"].frame.fields[0].values.tolist() == [7]


async def test_a_program_that_fails_tells_its_last_words(tmp_path):
    (tmp_path / "plugin.py").write_text("raise SystemExit('no such luck')")
    with pytest.raises(StartFailed, match="no such luck"):
        async with plugin_client(tmp_path / "plugin.py"):
            pass


async def test_what_no_other_process_can_find_is_told():
    class Inside(DataSource):
        def query(self, query: Any) -> None: ...

    with pytest.raises(PluginFault, match="defined inside of a function"):
        async with plugin_client(Inside, process=True):
            pass
    with pytest.raises(PluginFault, match="only a class, a function or a file"):
        async with plugin_client(Inside({}), process=True):
            pass


async def test_what_a_plugin_lacks_is_not_implemented():
    async with plugin_client(Weather) as client:
        with pytest.raises(NotImplementedByPlugin):
            await client.resource("GET", "/stations")
        with pytest.raises(NotImplementedByPlugin):
            async with aclosing(client.stream("rates")) as packets:
                await anext(packets)


class Rates(DataSource):
    """Routes and channels."""

    @resource("POST", "/echo/{name}")
    async def echo(self, request: Any, name: str) -> Any:
        return {
            "name": name,
            "body": request.json(),
            "query": dict(request.query),
            "team": request.headers["X-Team"],
        }

    @resource("GET", "/parts")
    async def parts(self, request: Any) -> Any:
        for part in ("one", "two"):
            yield part

    @stream("rates/{pair}")
    async def rates(self, pair: str, request: Any) -> Any:
        for number in (1, 2):
            yield {"pair": [pair], "rate": [number]}

    @rates.authorize
    def may_see(self, pair: str, request: Any) -> Any:
        return pair != "secret"


async def test_routes_are_called():
    async with plugin_client(Rates) as client:
        url = "/echo/a%20b?x=1"
        answer = await client.resource("POST", url, json={"n": 1}, headers={"X-Team": "red"})
        missing = await client.resource("GET", "/nothing")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == {"name": "a b", "body": {"n": 1}, "query": {"x": "1"}, "team": "red"}
    assert missing.status == 404


async def test_an_answer_in_pieces_is_seen_in_pieces():
    async with plugin_client(Rates) as client:
        answer = await client.resource("GET", "parts")
    assert [part for part in answer.parts if part] == [b"one", b"two"]
    assert answer.text == "onetwo"


async def test_channels_are_listened_to():
    async with plugin_client(Rates) as client:
        async with aclosing(client.stream("rates/eur")) as packets:
            first, second = await anext(packets), await anext(packets)
        with pytest.raises(StreamRefused, match="PERMISSION_DENIED"):
            await anext(client.stream("rates/secret"))
        with pytest.raises(StreamRefused, match="NOT_FOUND"):
            await anext(client.stream("weather"))
    assert first["schema"]["fields"][1]["name"] == "rate"
    assert second["data"]["values"] == [["eur"], [2]]


async def test_every_object_is_closed_in_the_end():
    seen = []

    class Opened(DataSource):
        def __init__(self, settings: Settings[Any]) -> None:
            seen.append("opened")

        def query(self, query: Any) -> None: ...

        def close(self) -> None:
            seen.append("closed")

    async with plugin_client(Opened, settings={"a": 1}) as client:
        await client.query(A={})
        await client.query(A={})
        await client.reconfigured(settings={"a": 1}).query(A={})  # saved again, without a change
    assert sorted(seen) == ["closed", "closed", "opened", "opened"]


async def test_calls_that_run_when_the_test_ends_are_ended():
    started, ended = asyncio.Event(), asyncio.Event()

    class Slow(DataSource):
        async def query(self, query: Any) -> None:
            started.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    async with plugin_client(Slow) as client:
        asking = asyncio.create_task(client.query(A={}))
        await started.wait()
    assert ended.is_set()
    await asyncio.wait({asking})


def test_plain_functions_listen_and_leave():
    with SyncClient(Rates) as client:
        packets = client.stream("rates/eur")
        assert next(packets)["data"]["values"] == [["eur"], [1]]
        packets.close()
        assert len(list(client.stream("rates/eur"))) == 2


def test_plain_functions_ask_as_well():
    with SyncClient(Weather, settings={"station": "EDDB"}) as client:
        assert said(client.query(A={}, last="1h")["A"])["station"] == "EDDB"
        assert client.check_health().status == HealthStatus.OK
        assert "grafana_plugin_request_total" in client.metrics()
        with pytest.raises(NotImplementedByPlugin):
            client.resource("GET", "/stations")
        with pytest.raises(NotImplementedByPlugin):
            next(client.stream("rates"))
