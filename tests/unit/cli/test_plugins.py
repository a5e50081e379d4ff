from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from graftage.cli.main import main

NOW = datetime.now(UTC)
WELL = {
    "id": "acme",
    "name": "Acme",
    "type": "datasource",
    "version": "1.0",
    "folder": "/p/acme",
    "state": None,
}


def running(state: str, **fields: object) -> dict[str, object]:
    since = (datetime.now(UTC) - timedelta(minutes=2, seconds=30)).isoformat()
    process = {"pid": 42, "restarts": 3, "lastExit": "", "stderrTail": [], "reason": ""}
    return WELL | {"state": state, "since": since} | process | fields


@contextmanager
def server(answer: object, status: int = 200) -> Iterator[str]:
    """Something that answers every GET with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status if self.path == "/api/graftage/plugins" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def shown(capsys, answer: object, *flags: str) -> tuple[int, str]:
    with server(answer) as url:
        status = main(["plugins", "--url", url, *flags])
    return status, capsys.readouterr().out


def plugin(folder, **fields):
    folder.mkdir(parents=True)
    description = {"id": folder.name, "name": folder.name, "type": "datasource"} | fields
    (folder / "plugin.json").write_text(json.dumps(description))


@pytest.mark.parametrize("state", ["running", "starting"])
def test_a_plugin_that_is_well_is_a_row(capsys, state):
    status, out = shown(capsys, {"plugins": [running(state)], "problems": []})
    assert status == 0
    row = next(line for line in out.splitlines() if "acme" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "acme", "datasource", "1.0", state, "2 min 30 s", "42", "3",
    ]  # fmt: skip


def test_a_server_may_be_named_without_its_scheme():
    with server({"plugins": [], "problems": []}) as url:
        assert main(["plugins", "--url", url.removeprefix("http://")]) == 0


def test_a_plugin_elsewhere_shows_its_address_where_others_show_their_process(capsys):
    elsewhere = running("running", pid=None, address="10.0.0.9:9000")
    _, out = shown(capsys, {"plugins": [elsewhere], "problems": []})
    assert "pid or address" in out
    assert "10.0.0.9:9000" in out


def test_a_plugin_that_runs_again_still_shows_how_it_ended(capsys):
    status, out = shown(
        capsys, {"plugins": [running("running", lastExit="signal 9 (SIGKILL)")], "problems": []}
    )
    assert status == 0
    assert "last exit" in out
    assert "signal 9 (SIGKILL)" in next(line for line in out.splitlines() if "acme" in line)


def test_a_plugin_without_a_process_is_well(capsys):
    status, out = shown(capsys, {"plugins": [WELL], "problems": []})
    assert status == 0
    assert "acme" in out


@pytest.mark.parametrize("state", ["backing off", "failed", "stopped"])
def test_a_plugin_that_does_not_run_says_why_with_its_last_lines(capsys, state):
    fields = {
        "pid": None,
        "reason": "its process ended with status 3",
        "stderrTail": ["no such\x1b[31m host"],
    }
    status, out = shown(capsys, {"plugins": [running(state, **fields)], "problems": []})
    assert status == 1
    assert state in out
    assert "\nacme: its process ended with status 3\n    no such\\x1b[31m host\n" in out


def test_a_problem_has_file_key_and_what_to_change(capsys):
    problem = {"path": "/p/x/plugin.json", "key": "type", "message": "write another", "pluginId": "x"}
    status, out = shown(capsys, {"plugins": [], "problems": [problem]})
    assert status == 1
    assert "no plugins" in out
    assert "  /p/x/plugin.json: type: write another\n" in out


def test_json_is_the_servers_own_answer(capsys):
    answer = {"plugins": [running("running")], "problems": []}
    status, out = shown(capsys, answer, "--json")
    assert status == 0
    assert json.loads(out) == answer


def test_no_server_is_told_with_what_to_do(capsys, unused_tcp_port):
    assert main(["plugins", "--url", f"http://127.0.0.1:{unused_tcp_port}"]) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"graftage: no server answers at http://127.0.0.1:{unused_tcp_port} (")
    assert "`graftage serve` starts one" in complaint


@pytest.mark.parametrize(("answer", "status"), [([1], 200), ({"message": "Not found"}, 404)])
def test_another_server_is_told_apart(capsys, answer, status):
    with server(answer, status) as url:
        assert main(["plugins", "--url", url]) == 1
    assert f"graftage: {url} is no Graftage server: it answered " in capsys.readouterr().err


def test_the_server_can_be_named_in_the_environment(capsys, monkeypatch):
    with server({"plugins": [WELL], "problems": []}) as url:
        monkeypatch.setenv("GRAFTAGE_URL", url)
        assert main(["plugins"]) == 0


def test_without_a_server_the_folders_are_searched(capsys, tmp_path):
    plugin(tmp_path / "one" / "acme")
    plugin(tmp_path / "two" / "other")
    assert main(["plugins", "--plugins", str(tmp_path / "one"), "--plugins", str(tmp_path / "two")]) == 0
    out = capsys.readouterr().out
    assert "acme" in out
    assert "other" in out


def test_a_backend_that_could_not_be_started_is_a_problem(capsys, tmp_path):
    plugin(tmp_path / "acme", backend=True, executable="missing")
    assert main(["plugins", "--plugins", str(tmp_path)]) == 1
    assert "acme/plugin.json: executable: " in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_a_wrong_command_line(capsys, tmp_path):
    assert main(["plugins", "--plugins", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"graftage: the plugin folder {tmp_path}/nowhere does not exist\n"
