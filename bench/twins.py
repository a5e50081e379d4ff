"""A million points from two plugins under one host: NumPy arrays in Python, the same frame built in Go."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import numpy as np

from bench.bare import bare, listening_socket
from bench.number import Number
from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.frames import frames_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.backend.secrets import Secrets
from graftage.data.frame import Frame
from graftage.host.discovery import discover
from graftage.host.host import Host
from graftage.protocol import rpc
from graftage.protocol.pb.backend_v2_pb2 import QueryDataResponse
from graftage.protocol.v2.data import encode_query_request

ROWS = 1_000_000
ROUNDS = 11
SECONDS = 60.0
PYTHON, GO = "python-datasource", "go-datasource"
PROGRAM = Path(__file__).parents[1] / "tests" / "support" / "plugins" / "everything.py"
MODEL = {"queryType": "series", "do": "series", "rows": ROWS}


async def twins() -> list[Number]:
    """Without Go there is nothing to compare with, and no number. Raises RuntimeError when they differ."""
    if shutil.which("go") is None:
        return []
    from tests.support.go import build_sdk

    with tempfile.TemporaryDirectory() as folder:
        _install(Path(folder, PYTHON), "gpx.py", PROGRAM)
        _install(Path(folder, GO), "gpx", build_sdk() / "sdkplugin")
        async with Host(discover([Path(folder)]).plugins) as host:
            if not _same(await _frame(host, PYTHON), await _frame(host, GO)):
                raise RuntimeError("the plugin in Python and the one in Go answer different frames")
            return [await _python_and_go(host), await _host_and_bare(host)]


async def _python_and_go(host: Host) -> Number:
    return await _ratio(
        "v2, a million points: plugin with NumPy / plugin in Go",
        lambda: host.query(PYTHON, _request(PYTHON), timeout=SECONDS),
        lambda: host.query(GO, _request(GO), timeout=SECONDS),
        1.0,
    )


async def _host_and_bare(host: Host) -> Number:
    socket = listening_socket(host.status(PYTHON).pid or 0)
    request = encode_query_request(_request(PYTHON))
    async with bare(socket, rpc.QUERY_DATA, QueryDataResponse.FromString, request) as direct:
        return await _ratio(
            "v2, a million points: the host's query / bare",
            lambda: host.query(PYTHON, _request(PYTHON), timeout=SECONDS),
            direct.answer,
            1.6,
        )


async def _ratio(
    name: str, ours: Callable[[], Awaitable[object]], theirs: Callable[[], Awaitable[object]], target: float
) -> Number:
    """The two in turn; the ratio of their medians."""
    pairs = [(await _seconds(ours), await _seconds(theirs)) for _ in range(ROUNDS)]
    one, other = (median(column) for column in zip(*pairs, strict=True))
    return Number(name, one / other, "times", target, note=f"{one * 1000:.1f} / {other * 1000:.1f} ms")


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


def _install(folder: Path, name: str, program: Path) -> None:
    folder.mkdir()
    description = {"id": folder.name, "type": "datasource", "backend": True, "executable": "gpx"}
    (folder / "plugin.json").write_text(json.dumps(description), encoding="utf-8")
    (folder / name).symlink_to(program)


def _request(plugin_id: str) -> QueryRequest:
    source = DataSourceSettings(1, 1, "twin", plugin_id, uid="u", secrets=Secrets({"key": "k"}))
    return QueryRequest(
        TimeRange(0, 1), context_of(source), (Query("A", json.dumps(MODEL), query_type="series"),)
    )


async def _frame(host: Host, plugin_id: str) -> Frame:
    (result,) = await host.query(plugin_id, _request(plugin_id), timeout=SECONDS)
    (frame,) = frames_of(result)
    return frame


def _same(one: Frame, other: Frame) -> bool:
    (times, values), (other_times, other_values) = (
        [field.values for field in frame.fields] for frame in (one, other)
    )
    # The last bit of a sine is the mathematics library's own.
    return np.array_equal(times, other_times) and np.allclose(values, other_values, rtol=0, atol=1e-9)
