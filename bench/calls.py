"""Queries over HTTP through a server of ours, against bare calls to the plugin that this server launched."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.bare import Bare, bare, listening_socket
from bench.http_load import Load, load
from bench.memory import peak_growth
from bench.number import Number
from bench.ways import FILES, FRAMES, VERSION_1, Way
from examples.demo.server import Server, running_server
from graftage.backend.context import DataSourceSettings

PLUGINS = Path(__file__).parent

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

    @property
    def model(self) -> dict[str, object]:
        return {"refId": "A", "series": self.series, "points": self.points}


SMALL = Size(1, 100, requests=1500, at_once=32)
SMALL_ALONE = Size(1, 100, requests=300)
MIDDLE = Size(1, 10_000, requests=200, at_once=32)
BIG = Size(10, 100_000, requests=1)
LONG = Size(1, 1_000_000, requests=1)


async def calls() -> list[Number]:
    """Raises RuntimeError when an answer is not what was asked for."""
    with running_server(PLUGINS) as server:
        first = _Place.made(server, VERSION_1)
        files, frames = _Place.made(server, FILES), _Place.made(server, FRAMES)
        # First of all, while the server has nothing in hand that it could use again.
        memory = await _memory(first)
        return [
            await _rate(first, SMALL, 0.40),
            await _latency(first, SMALL_ALONE, 2.0),
            await _rate(first, MIDDLE, 0.6),
            await _whole(first, BIG, 2.0),
            memory,
            await _rate(files, SMALL, 0.40),
            await _rate(frames, SMALL, 0.40),
            await _whole(files, LONG, 1.6),
            await _whole(frames, LONG, None),
        ]


@dataclass(frozen=True, slots=True)
class _Place:
    """A server, the data source that is asked there and how, and the socket of its plugin."""

    server: Server
    way: Way
    source: DataSourceSettings
    socket: str

    @classmethod
    def made(cls, server: Server, way: Way) -> _Place:
        body = {"name": way.name, "type": way.plugin_id, "access": "proxy"}
        made = server.post("/api/datasources", body)["datasource"]
        source = DataSourceSettings(made["id"], 1, way.name, way.plugin_id, uid=made["uid"])
        return cls(server, way, source, listening_socket(server.plugin(way.plugin_id)["pid"]))

    def load(self, size: Size, *, connections: int) -> AbstractContextManager[Load]:
        parts = urlsplit(self.server.url)
        address = str(parts.hostname), int(parts.port or 80)
        return load(address, self.way.path, self.body(size), connections=connections)

    def bare(self, size: Size) -> AbstractAsyncContextManager[Bare]:
        request = self.way.request(self.source, size.model)
        return bare(self.socket, self.way.method, self.way.read, request)

    def body(self, size: Size) -> bytes:
        return self.way.http(self.source, size.model)

    def answer(self, size: Size) -> bytes:
        """One answer over HTTP."""
        return self.server.http.post(self.way.path, content=self.body(size), headers=_JSON).content


async def _rate(place: _Place, size: Size, target: float) -> Number:
    rounds = []
    with place.load(size, connections=size.at_once) as ours:
        async with place.bare(size) as theirs:
            await _prepare(place, size, ours, theirs)
            for _ in range(size.rounds):
                direct = await theirs.seconds(size.requests, at_once=size.at_once)
                rounds.append((size.requests / ours.seconds(size.requests), size.requests / direct))
    return Number(
        f"{place.way.name}, {size}, {size.at_once} connections: rate / bare",
        median(one / other for one, other in rounds),
        "times",
        target,
        "at least",
        note=_both(rounds, "{:,.0f} / {:,.0f} a second"),
    )


async def _latency(place: _Place, size: Size, target: float | None) -> Number:
    rounds = []
    with place.load(size, connections=1) as ours:
        async with place.bare(size) as theirs:
            await _prepare(place, size, ours, theirs)
            for _ in range(size.rounds):
                direct = median(await theirs.latencies(size.requests)) * 1000
                rounds.append((median(ours.latencies(size.requests)) * 1000, direct))
    return Number(
        f"{place.way.name}, {size}, 1 connection: median latency / bare",
        median(one / other for one, other in rounds),
        "times",
        target,
        note=_both(rounds, "{:.2f} / {:.2f} ms"),
    )


async def _whole(place: _Place, size: Size, target: float | None) -> Number:
    latency = await _latency(place, size, target)
    name = f"{place.way.name}, {size}: whole answer / bare"
    return Number(name, latency.value, "times", target, note=latency.note)


async def _memory(place: _Place) -> Number:
    """The first big answer of a server that has answered small ones."""
    with place.load(SMALL, connections=1) as small:
        small.seconds(WARM_UP)
    async with place.bare(BIG) as theirs:
        wire = (await theirs.answer()).ByteSize()
    with place.load(BIG, connections=1) as big:
        grown = peak_growth(place.server.pid, lambda: big.seconds(1))
    return Number(
        f"{place.way.name}, {BIG}: growth of the host's peak memory / protobuf size",
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
    if not place.way.is_same(place.answer(size), await theirs.answer()):
        raise RuntimeError(
            f"{place.way.name}, {size}: the answer over HTTP is not what the plugin says to a bare client"
        )


_JSON = {"Content-Type": "application/json"}


def _both(rounds: list[tuple[float, float]], form: str) -> str:
    return form.format(*(median(column) for column in zip(*rounds, strict=True)))
