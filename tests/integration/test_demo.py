"""The demonstration: what a person sees, what it is worth as a check, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.demo.__main__ import running_backend
from examples.demo.questions import HOUR_MS, Question, questions
from support.wait import eventually

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "examples.demo"]
NOW_MS = 1763812800000
SPAN = (NOW_MS - HOUR_MS, NOW_MS)


def pids(page: str) -> list[int]:
    """The processes that the page speaks of: the server's and the plugin's."""
    found = [int(pid) for pid in re.findall(r"pid (\d+)", page)]
    assert len(found) == 2, page
    return found


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@contextmanager
def demo(folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The demonstration without --once, its temporary files in `folder`."""
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)} | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    page = ""
    for line in process.stdout:
        page += line
        if text in line:
            return page
    raise AssertionError(f"no {text!r} in:\n{page}")


def test_once_shows_series_table_and_search_and_leaves_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [*COMMAND, "--once"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:1"},
        text=True,
        capture_output=True,
        timeout=55,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr
    assert "every answer is what the backend serves" in run.stdout
    assert run.stdout.count("as the backend serves it") == 3
    assert run.stdout.count("the same frames") == 3
    for sight in ("solar.power", "▁", "Highest", "°C", "queryType", "Simple Json backend"):
        assert sight in run.stdout
    assert "\x1b" not in run.stdout  # no colours where there is no terminal
    assert not any(map(is_alive, pids(run.stdout)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_stays_up_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        page = read_until(process, "graftage query")
        url = re.search(r"stays up at (http://\S+)", page)
        assert url
        body = re.search(r"-d '(.*)'", page)
        assert body
        answer = httpx.post(
            f"{url[1]}/api/ds/query",
            content=body[1],
            headers={"Content-Type": "application/json"},
            trust_env=False,
        )
        assert answer.json()["results"]["A"]["frames"][0]["schema"]["fields"][1]["name"] == "solar.power"
        process.send_signal(number)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "nothing is left running" in rest
    assert not any(map(is_alive, pids(page)))
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_dies_ends_the_demonstration_with_its_log(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        server, plugin = pids(page := read_until(process, "graftage query"))
        assert is_alive(server), page
        os.kill(server, signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the server ended by itself; its log ends with" in errors
    eventually(lambda: not is_alive(plugin), what="the plugin of a killed server is gone")


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "graftage").mkdir()
    (tmp_path / "graftage" / "__init__.py").write_text("__version__ = ''")
    (tmp_path / "graftage" / "__main__.py").write_text("raise SystemExit('no database today')")
    from examples.demo.server import ServerFailed, running_server

    with (
        pytest.raises(ServerFailed, match=r"(?s)ended with status 1; it printed:\nno database today"),
        running_server(tmp_path, environment={"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}),
    ):
        pass


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.path + question.title[:6])
def test_the_check_of_an_answer_can_fail(question: Question) -> None:
    with running_backend() as url, httpx.Client(base_url=url, trust_env=False) as backend:
        model: dict[str, Any] = {"target": question.model["target"]}
        upstream = {"range": {"from": str(SPAN[0]), "to": str(SPAN[1])}, "targets": [question.model]}
        reply = backend.post(question.path, json=model if question.path == "/search" else upstream).json()
        right = [as_frame(one) for one in question.expected(reply)]
        assert question.check({"frames": right}, backend, SPAN) == ""
        for key in question.expected(reply)[0]:
            wrong = as_frame({**question.expected(reply)[0], key: ["wrong"]})
            assert f"{key} should be" in question.check({"frames": [wrong, *right[1:]]}, backend, SPAN)
        assert question.check({}, backend, SPAN)


def as_frame(expected: Mapping[str, Any]) -> dict[str, Any]:
    fields = [{"name": name} for name in expected["fields"]]
    return {"schema": {"fields": fields}, "data": {"values": expected["values"]}}


def test_the_backend_is_gone_with_its_block() -> None:
    with running_backend() as url:
        assert httpx.get(url, trust_env=False).status_code == 200
    started = time.monotonic()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    assert time.monotonic() - started < 1
