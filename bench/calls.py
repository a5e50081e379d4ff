"""Queries over HTTP through a server of ours, against bare calls to the plugin that this server launched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.bare import Bare, bare, listening_socket
from bench.http_load import Load, load
from bench.memory import peak_growth
from bench.number import Number
from examples.demo.server import Server, running_server
from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.cli.answer import read_answer, series_of
from graftage.protocol.v1.request import encode_request

PLUGIN_FOLDER = Path(__file__).parent / "plugin"
PLUGIN_ID = "bench-datasource"
PATH = "/api/ds/query"
SPAN = ("1555324640000", "1555328240000")

WARM_UP = 200  # calls; both sides import and allocate on the first ones
MEMORY_FACTOR = 8.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked for, how often, how many at once, and in how many rounds of both kinds in turn."""

    series: int
    points: int
    requests: int
    at_once: int = 1
    rounds: int = 7

    def __str__(self) -> str:
        return f"{self.series} x {self.points:,} points"


SMALL = Size(1, 100, requests=1500, at_once=32)
SMALL_ALONE = Size(1, 100, requests=300)
MIDDLE = Size(1, 10_000, requests=200, at_once=32)
BIG = Size(10, 100_000, requests=1)


async def calls() -> list[Number]:
    """Raises RuntimeError when an answer is not what was asked for."""
    with running_server(PLUGIN_FOLDER) as server:
        pid = server.plugin(PLUGIN_ID)["pid"]
        body = {"name": "bench", "type": PLUGIN_ID, "access": "proxy"}
        place = _Place(
            server, listening_socket(pid), server.post("/api/datasources", body)["datasource"]["uid"]
        )
        # First of all, while the server has nothing in hand that it could use again.
        memory = await _memory(place)
        return [
            await _rate(place, SMALL, 0.40),
            await _latency(place, SMALL_ALONE, 2.0),
            await _rate(place, MIDDLE, 0.6),
            await _whole(place, BIG, 2.0),
            memory,
        ]


@dataclass(frozen=True, slots=True)
class _Place:
    """A server, the socket of its plugin, and the data source that leads there."""

    server: Server
    socket: str
    uid: str

    def http(self, size: Size) -> bytes:
        return json.dumps({"from": SPAN[0], "to": SPAN[1], "queries": [self._model(size)]}).encode()

    def request(self, size: Size) -> bytes:
        """What the server sends to the plugin for the same query."""
        model = json.dumps(self._model(size), sort_keys=True, separators=(",", ":"))
        return encode_request(
            QueryRequest(
                TimeRange(int(SPAN[0]), int(SPAN[1]), *SPAN),
                context_of(DataSourceSettings(1, 1, "bench", PLUGIN_ID, uid=self.uid)),
                (Query("A", model),),
            )
        )

    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.server.url)
        return str(parts.hostname), int(parts.port or 80)

    def _model(self, size: Size) -> dict[str, object]:
        return {
            "refId": "A",
            "datasource": {"uid": self.uid, "type": PLUGIN_ID},
            "series": size.series,
            "points": size.points,
        }


async def _rate(place: _Place, size: Size, target: float) -> Number:
    rounds = []
    with load(place.address(), PATH, place.http(size), connections=size.at_once) as ours:
        async with bare(place.socket, place.request(size)) as theirs:
            await _prepare(place, size, ours, theirs)
            for _ in range(size.rounds):
                direct = await theirs.seconds(size.requests, at_once=size.at_once)
                rounds.append((size.requests / ours.seconds(size.requests), size.requests / direct))
    return Number(
        f"{size}, {size.at_once} connections: rate / bare",
        median(one / other for one, other in rounds),
        "times",
        target,
        "at least",
        note=_both(rounds, "{:,.0f} / {:,.0f} a second"),
    )


async def _latency(place: _Place, size: Size, target: float) -> Number:
    rounds = []
    with load(place.address(), PATH, place.http(size), connections=1) as ours:
        async with bare(place.socket, place.request(size)) as theirs:
            await _prepare(place, size, ours, theirs)
            for _ in range(size.rounds):
                direct = median(await theirs.latencies(size.requests)) * 1000
                rounds.append((median(ours.latencies(size.requests)) * 1000, direct))
    return Number(
        f"{size}, 1 connection: median latency / bare",
        median(one / other for one, other in rounds),
        "times",
        target,
        note=_both(rounds, "{:.2f} / {:.2f} ms"),
    )


async def _whole(place: _Place, size: Size, target: float) -> Number:
    latency = await _latency(place, size, target)
    return Number(f"{size}: whole answer / bare", latency.value, "times", target, note=latency.note)


async def _memory(place: _Place) -> Number:
    """The first big answer of a server that has answered small ones."""
    with load(place.address(), PATH, place.http(SMALL), connections=1) as small:
        small.seconds(WARM_UP)
    async with bare(place.socket, place.request(BIG)) as theirs:
        wire = (await theirs.answer()).ByteSize()
    with load(place.address(), PATH, place.http(BIG), connections=1) as big:
        grown = peak_growth(place.server.pid, lambda: big.seconds(1))
    return Number(
        f"{BIG}: growth of the host's peak memory / protobuf size",
        grown / wire,
        "times",
        MEMORY_FACTOR,
        note=f"{grown / 1e6:.0f} / {wire / 1e6:.0f} MB",
    )


async def _prepare(place: _Place, size: Size, ours: Load, theirs: Bare) -> None:
    """Warm both up, and see that they answer the same."""
    calls = min(WARM_UP, size.requests)
    ours.seconds(calls)
    await theirs.seconds(calls, at_once=size.at_once)
    message = await theirs.answer()
    answer = read_answer(place.server.http.post(PATH, content=place.http(size), headers=_JSON).content)
    direct = [[(point.value, point.timestamp) for point in one.points] for one in message.results[0].series]
    shown = [one for frame in answer.results["A"].frames for one in series_of(frame)]
    points = [list(zip(one.values, one.times, strict=True)) for one in shown]
    if points != direct or len(direct) != size.series:
        raise RuntimeError(f"{size}: the answer over HTTP is not what the plugin says to a bare client")


_JSON = {"Content-Type": "application/json"}


def _both(rounds: list[tuple[float, float]], form: str) -> str:
    return form.format(*(median(column) for column in zip(*rounds, strict=True)))
