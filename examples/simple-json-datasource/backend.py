#!/usr/bin/env python3
"""A JSON backend to ask: the electricity of a small town, computed from the time and nothing else.

    python backend.py [--port 3333]

It speaks the API of Grafana's Simple JSON data sources: ``/`` says that it is there, ``/search`` lists the
metrics, ``/query`` answers time series and tables, ``/annotations`` tells what happened. The same question
always gets the same answer, so that what came out at the other end of the system can be compared with it.

Source: the README of grafana/simple-json-backend-datasource, which describes the requests and the answers.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
MOST_POINTS = 10_000  # a panel shows a thousand; more is a mistake in the question
MOST_BODY_BYTES = 1 << 20


class Metric(NamedTuple):
    """Something measured. at: its reading at a moment in milliseconds since 1970; None: it has none."""

    unit: str
    at: Callable[[int], float | None]


def solar_power(ms: int) -> float:
    """Nothing before six and after eighteen, most at noon, less under a cloud."""
    height = math.sin(math.pi * (_hour(ms) - 6) / 12) if 6 < _hour(ms) < 18 else 0.0
    return 480 * math.pow(height, 1.3) * (0.8 + 0.2 * _weather(ms, 23))


def wind_power(ms: int) -> float:
    return 900 / (1 + math.exp(-2.5 * _weather(ms, 190)))


def town_load(ms: int) -> float:
    """People cook at noon and, most of all, in the evening."""
    evening = math.exp(-(((_hour(ms) - 19) / 2.2) ** 2))
    noon = math.exp(-(((_hour(ms) - 12) / 2.8) ** 2))
    return 420 + 310 * evening + 140 * noon + 12 * _weather(ms, 7)


def battery_charge(ms: int) -> float:
    return 50 + 42 * math.sin(2 * math.pi * (_hour(ms) - 10.5) / 24) + 3 * _weather(ms, 41)


def roof_temperature(ms: int) -> float | None:
    """The sensor sleeps for ten minutes every two hours: no reading then, which is not zero degrees."""
    if ms % (2 * HOUR_MS) < 10 * MINUTE_MS:
        return None
    return 11 + 7 * math.sin(2 * math.pi * (_hour(ms) - 9) / 24) + 1.5 * _weather(ms, 31)


METRICS = {
    "battery.charge": Metric("%", battery_charge),
    "roof.temperature": Metric("°C", roof_temperature),
    "solar.power": Metric("kW", solar_power),
    "town.load": Metric("kW", town_load),
    "wind.power": Metric("kW", wind_power),
}


class Refusal(Exception):
    """A request that cannot be answered, with the status that says why."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def answer(method: str, path: str, body: Any) -> Any:
    """What one request gets as JSON. Raises Refusal."""
    match method, path:
        case "GET", "/":
            return {"message": "the power plants of a small town"}
        case "POST", "/search":
            return search(_text(body, "target"))
        case "POST", "/query":
            span = _range(body)
            return [found for target in _list(body, "targets") for found in query(target, body, *span)]
        case "POST", "/annotations":
            return events(*_range(body))
        case _:
            raise Refusal(HTTPStatus.NOT_FOUND, "expected GET / or POST /search, /query, /annotations")


def search(text: str) -> list[str]:
    """The metrics with this text in their name."""
    return [name for name in METRICS if text in name]


def query(target: Any, body: Any, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
    """The answers to one target: a series for each metric of that name or pattern, or one table of them."""
    pattern = _text(target, "target")
    metrics = {name: metric for name, metric in METRICS.items() if fnmatchcase(name, pattern)}
    if not metrics:
        raise Refusal(HTTPStatus.NOT_FOUND, f"no metric is called {pattern!r}; POST /search lists them")
    times = _times(from_ms, to_ms, _step(target, body, to_ms - from_ms))
    if target.get("type") == "table":
        yield _table(metrics, times)
        return
    for name, metric in metrics.items():
        yield {"target": name, "datapoints": [[_reading(metric, ms), ms] for ms in times]}


def events(from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    """The storage is inspected every day at nine."""
    nine = 9 * HOUR_MS
    first = -((nine - from_ms) // DAY_MS) * DAY_MS + nine
    return [
        {"time": ms, "title": "Inspection", "text": "Storage, by the town's engineer", "tags": ["battery"]}
        for ms in range(first, to_ms + 1, DAY_MS)
    ]


def _table(metrics: dict[str, Metric], times: range) -> dict[str, Any]:
    """One row a metric: its latest reading in the span, the extremes, and how often it was read."""
    columns = [("Time", "time"), ("Metric", "string"), ("Unit", "string"), ("Latest", "number")]
    columns += [("Lowest", "number"), ("Highest", "number"), ("Readings", "number")]
    rows = []
    for name, metric in metrics.items():
        readings = [_reading(metric, ms) for ms in times]
        known = [reading for reading in readings if reading is not None]
        time, latest = (times[-1], readings[-1]) if times else (None, None)
        rows.append(
            [time, name, metric.unit, latest, min(known, default=None), max(known, default=None), len(known)]
        )
    return {
        "type": "table",
        "columns": [{"text": text, "type": type_} for text, type_ in columns],
        "rows": rows,
    }


def _reading(metric: Metric, ms: int) -> float | None:
    value = metric.at(ms)
    return None if value is None else round(value, 3)


def _hour(ms: int) -> float:
    return ms % DAY_MS / HOUR_MS


def _weather(ms: int, minutes: float) -> float:
    """Between -1 and 1, changing within about so many minutes, never quite the same again."""
    turn = 2 * math.pi * ms / (minutes * MINUTE_MS)
    return (math.sin(turn) + math.sin(turn / 1.7 + 1) + math.sin(turn / 3.1 + 2)) / 3


def _times(from_ms: int, to_ms: int, step: int) -> range:
    return range(-(-from_ms // step) * step, to_ms + 1, step)


def _step(target: Any, body: Any, span: int) -> int:
    """The interval asked for, widened until the points are as few as asked for."""
    interval = _number(target, body, "intervalMs", MINUTE_MS)
    points = min(_number(target, body, "maxDataPoints", 1000), MOST_POINTS)
    return max(interval, -(-span // points), 1)


def _number(target: Any, body: Any, key: str, default: int) -> int:
    """A positive number of the target itself, or of the request around it."""
    for place in (target, body):
        value = place.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return default


def _range(body: Any) -> tuple[int, int]:
    span = body.get("range") if isinstance(body, dict) else None
    if not isinstance(span, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'expected {"range": {"from": ..., "to": ...}}')
    return _moment(span.get("from")), _moment(span.get("to"))


def _moment(value: Any) -> int:
    """Milliseconds since 1970, which the backend data source sends, or an ISO date, which browsers send."""
    try:
        return int(value)
    except (TypeError, ValueError):
        pass
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            f"expected a time such as 1555324640782 or 2019-04-15T10:37:20Z, got {value!r}",
        ) from None
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def _text(value: Any, key: str) -> str:
    text = value.get(key, "") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise Refusal(HTTPStatus.BAD_REQUEST, f'expected an object with a text "{key}"')
    return text


def _list(value: Any, key: str) -> list[Any]:
    items = value.get(key) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise Refusal(HTTPStatus.BAD_REQUEST, f'expected an object with a list "{key}"')
    return items


class Handler(BaseHTTPRequestHandler):
    """HTTP around `answer`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        try:
            status, value = HTTPStatus.OK, answer(self.command, self.path.partition("?")[0], self._body())
        except Refusal as refusal:
            status, value = refusal.status, {"error": str(refusal)}
        content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            self.close_connection = True  # what follows cannot be told from the next request
            raise Refusal(HTTPStatus.BAD_REQUEST, f"expected a body of at most {MOST_BODY_BYTES} bytes")
        text = self.rfile.read(int(length))
        try:
            return json.loads(text) if text else {}
        except ValueError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"expected JSON: {error}") from None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Say nothing: the person who runs this looks at the other end."""


def backend(port: int = 0) -> ThreadingHTTPServer:
    """A backend on this machine, listening but not yet serving. port 0 takes a free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    parser = argparse.ArgumentParser(description="A JSON backend: the electricity of a small town.")
    parser.add_argument("--port", type=int, default=3333)
    with backend(parser.parse_args().port) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
