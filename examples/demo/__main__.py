"""Launch the Simple JSON plugin in a Graftage server, ask it three things, show and check what comes back.

    python -m examples.demo [--once]

The exit status is 0 only if every answer is what the JSON backend serves.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.questions import HOUR_MS, Question, questions
from examples.demo.server import Server, ServerFailed, running_server
from graftage.cli.answer import read_answer
from graftage.cli.show import console_for, render
from graftage.data.arrow.reader import read_arrow
from graftage.data.frame_json import write_frame_json

PLUGIN_FOLDER = Path(__file__).parent.parent / "simple-json-datasource"
PLUGIN_ID = "grafana-simple-json-backend-datasource"
WATCH_SECONDS = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="stop after printing")
    once = parser.parse_args().once
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    console = console_for(sys.stdout)
    try:
        with running_backend() as backend:
            return _demonstrate(console, backend, once=once)
    except (ServerFailed, httpx.HTTPError) as failure:
        console_for(sys.stderr).print(Text(f"the demonstration failed: {failure}", style="bold red"))
        return 1
    except KeyboardInterrupt:
        console.print("\nstopped; nothing is left running")
        return 0 if not once else 130


def _demonstrate(console: Console, backend_url: str, *, once: bool) -> int:
    started = time.perf_counter()
    with (
        running_server(PLUGIN_FOLDER) as server,
        httpx.Client(base_url=backend_url, trust_env=False) as backend,
    ):
        ready = time.perf_counter()
        plugin = server.plugin(PLUGIN_ID)
        up = time.perf_counter()
        added = server.post(
            "/api/datasources", {"name": "town", "type": PLUGIN_ID, "access": "proxy", "url": backend_url}
        )
        console.print(
            _story(
                ("JSON backend", backend_url, "five metrics of a small town"),
                ("graftage serve", server.url, f"pid {server.pid}, ready after {_ms(ready - started)}"),
                (
                    "plugin",
                    f"{plugin['name']} {plugin['version']}",
                    f"pid {plugin['pid']}, {plugin['state']} {_ms(up - started)} after the start",
                ),
                ("data source", f"{added['name']!r}, id {added['id']}", f"asks {backend_url}"),
            )
        )
        to_ms = int(time.time() * 1000)
        span = (to_ms - 24 * HOUR_MS, to_ms)
        problems = [
            _ask(console, server, backend, question, added["datasource"]["uid"], span)
            for question in questions()
        ]
        wrong = [problem for problem in problems if problem]
        console.print()
        if wrong:
            console.print(Text(f"{len(wrong)} of {len(questions())} answers are wrong", style="bold red"))
            return 1
        console.print(Text("every answer is what the backend serves", style="bold green"))
        if not once:
            _stay(console, server, added["datasource"]["uid"])
    return 0


def _ask(
    console: Console,
    server: Server,
    backend: httpx.Client,
    question: Question,
    uid: str,
    span: tuple[int, int],
) -> str:
    """Show one question with its answer. Returns what is wrong with it, nothing if nothing is."""
    body = {"from": str(span[0]), "to": str(span[1]), "queries": [question.model_for(uid)]}
    started = time.perf_counter()
    response = server.http.post("/api/ds/query", json=body)
    taken = time.perf_counter() - started
    console.print()
    console.print(Text.assemble((question.title, "bold"), f"  {json.dumps(question.model)}"))
    answer = response.json() if response.status_code == httpx.codes.OK else {}
    if "results" not in answer:
        problem = f"status {response.status_code}: {response.text[:500]}"
    else:
        console.print(render(read_answer(response.content), charts=True))
        problem = question.check(answer["results"].get("A", {}), backend, span)
    verdict = Text(problem, style="bold red") if problem else Text("as the backend serves it", style="green")
    console.print(
        Text.assemble(f"POST /api/ds/query, {len(response.content)} bytes in {_ms(taken)}: ", verdict)
    )
    return problem or _ask_as_grafana_7(console, server, question, answer, span)


def _ask_as_grafana_7(
    console: Console, server: Server, question: Question, newer: dict[str, Any], span: tuple[int, int]
) -> str:
    """Ask the same through the route of Grafana 7, which has the frames as Arrow files."""
    source = server.get("/api/datasources/name/town")
    query = {"refId": "A", "datasourceId": source["id"], **question.model}
    body = {"from": str(span[0]), "to": str(span[1]), "queries": [query]}
    started = time.perf_counter()
    response = server.http.post("/api/tsdb/query", json=body)
    taken = time.perf_counter() - started
    files = response.json()["results"]["A"]["dataframes"] if response.status_code == httpx.codes.OK else []
    frames = [read_arrow(b64decode(file)) for file in files]
    shown = [json.loads(b"".join(write_frame_json(frame))) for frame in frames]
    problem = "" if shown == newer["results"]["A"]["frames"] else "the frames are not the same"
    verdict = Text(problem, style="bold red") if problem else Text("the same frames", style="green")
    console.print(
        Text.assemble(f"POST /api/tsdb/query, {len(response.content)} bytes in {_ms(taken)}: ", verdict)
    )
    return problem


def _story(*lines: tuple[str, str, str]) -> Panel:
    table = Table.grid(padding=(0, 2))
    for what, where, note in lines:
        table.add_row(Text(what, style="bold"), Text(where, style="cyan"), Text(note, style="dim"))
    return Panel(table, title="graftage", title_align="left", expand=False)


def _stay(console: Console, server: Server, uid: str) -> None:
    """Keep everything up until somebody wants it to end. Raises ServerFailed if the server ends first."""
    query = {"refId": "A", "datasource": {"uid": uid}, "target": "solar.power"}
    body = json.dumps({"from": "now-6h", "to": "now", "queries": [query]})
    program, model = Path(sys.executable).parent / "graftage", json.dumps({"target": "*.power"})
    lines = (
        f"the server stays up at {server.url} until Ctrl-C; try",
        f"  curl -s {server.url}/api/ds/query -H 'Content-Type: application/json' -d '{body}'",
        f"  {program} query --url {server.url} --datasource town '{model}'",
    )
    for line in lines:
        console.print(line, soft_wrap=True)  # what is to be copied stays one line
    while server.is_running():
        time.sleep(WATCH_SECONDS)
    raise ServerFailed(f"the server ended by itself; its log ends with:\n{server.log_tail()}")


@contextmanager
def running_backend() -> Iterator[str]:
    """The JSON backend on a thread of this process; gives its url."""
    server: ThreadingHTTPServer = _backend_module().backend()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="backend")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _backend_module() -> Any:
    """The module beside the plugin, whose folder is named as a plugin and not as a package."""
    spec = importlib.util.spec_from_file_location("simple_json_backend", PLUGIN_FOLDER / "backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
