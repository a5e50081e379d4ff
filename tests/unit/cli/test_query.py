from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from graftage.cli.main import main
from graftage.cli.plugin_path import plugin_at

T0 = 1555324640000
SOURCES = [
    {"id": number, "name": name, "uid": f"uid-{name}", "type": "acme"}
    for number, name in ((1, "town"), (7, "shop"), (12, "7"))
]


@dataclass
class Scripted:
    """A server that answers every query alike and remembers what it was asked."""

    url: str = ""
    status: int = 200
    answer: bytes = b'{"results":{}}'
    sources: Any = field(default_factory=lambda: SOURCES)
    asked: list[bytes] = field(default_factory=list)

    def answers(self, status: int = 200, message: str = "", **results: Any) -> None:
        body: dict[str, Any] = {"results": results}
        self.status, self.answer = (
            status,
            json.dumps(body | ({"message": message} if message else {})).encode(),
        )

    @property
    def queries(self) -> list[dict[str, Any]]:
        queries: list[dict[str, Any]] = json.loads(self.asked[-1])["queries"]
        return queries


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200 if self.path == "/api/datasources" else 404, json.dumps(scripted.sources).encode())

        def do_POST(self) -> None:
            scripted.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(scripted.status, scripted.answer)

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        scripted.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield scripted
        http.shutdown()
        thread.join()


def series(name: str, *values: float) -> dict[str, Any]:
    """A frame, a value a second from T0 on."""
    fields = [{"name": "time", "type": "time"}, {"name": "value", "type": "number"}]
    times = [T0 + 1000 * second for second in range(len(values))]
    return {"schema": {"name": name, "fields": fields}, "data": {"values": [times, values]}}


def ask(server: Scripted, *arguments: str, source: str = "town") -> int:
    return main(["query", "--url", server.url, "--datasource", source, *arguments])


def misuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command line that cannot be meant is told."""
    with pytest.raises(SystemExit) as stopped:
        main(["query", *arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_a_query_reaches_the_data_source_of_that_name_as_it_was_typed(server: Scripted) -> None:
    assert ask(server, '{"target": "a", "n": 1.0, "big": 12345678901234567890}', "--from", "now-1h") == 0
    assert b'"n":1.0' in server.asked[0]
    assert b'"big":12345678901234567890' in server.asked[0]
    body = json.loads(server.asked[0])
    assert (body["from"], body["to"]) == ("now-1h", "now")
    assert body["queries"][0]["target"] == "a"
    assert body["queries"][0]["datasource"] == {"uid": "uid-town", "type": "acme"}
    assert body["queries"][0]["refId"] == "A"


@pytest.mark.parametrize(("wanted", "name"), [("shop", "shop"), ("1", "town"), ("7", "7"), ("12", "7")])
def test_a_name_goes_before_an_id(server: Scripted, wanted: str, name: str) -> None:
    ask(server, "{}", source=wanted)
    assert server.queries[0]["datasource"]["uid"] == f"uid-{name}"


def test_queries_are_named_by_hand_by_themselves_or_by_letter(server: Scripted) -> None:
    ask(server, "{}", "B={}", '{"refId": "A"}', "{}")
    assert [query["refId"] for query in server.queries] == ["C", "B", "A", "D"]


def test_flags_stand_in_where_a_query_says_nothing_itself(server: Scripted) -> None:
    ask(server, "{}", '{"intervalMs": 5, "queryType": "own"}', "--interval", "250", "--query-type", "search",
        "--max-data-points", "9")  # fmt: skip
    said = [(one["intervalMs"], one["queryType"], one["maxDataPoints"]) for one in server.queries]
    assert said == [(250, "search", 9), (5, "own", 9)]


def test_without_a_query_an_empty_one_is_asked(server: Scripted) -> None:
    assert ask(server) == 0
    assert [query["refId"] for query in server.queries] == ["A"]


def test_a_server_may_be_named_without_its_scheme(server: Scripted) -> None:
    server.url = server.url.removeprefix("http://")
    assert ask(server, "{}") == 0


def test_without_flags_nothing_is_added_to_a_query(server: Scripted) -> None:
    ask(server, "{}")
    assert server.queries == [{"refId": "A", "datasource": {"uid": "uid-town", "type": "acme"}}]


def test_json_is_the_answer_byte_for_byte(server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = b'{"results":{"A":{"status":200,"frames":[]}}}'
    assert ask(server, "{}", "--format", "json") == 0
    assert capsys.readouterr().out == server.answer.decode() + "\n"


def test_csv_is_the_rows_and_nothing_else(server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers(A={"frames": [series("a", 622)]})
    assert ask(server, "{}", "--format", "csv") == 0
    assert capsys.readouterr().out == "name,labels,time,value\na,,2019-04-15T10:37:20Z,622\n".replace(
        "\n", "\r\n"
    )


def test_an_answer_for_no_single_csv_is_refused(server: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    table = {"schema": {"fields": [{"name": "n", "type": "number"}]}, "data": {"values": [[1]]}}
    server.answers(A={"frames": [series("a")]}, B={"frames": [table]})
    assert ask(server, "A={}", "B={}", "--format", "csv") == 1
    assert "one query at a time" in capsys.readouterr().err


def test_a_failed_query_is_told_on_stderr_and_the_others_are_shown(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers(400, "broken", A={"frames": [series("fine", 1)]}, B={"error": "broken", "frames": []})
    assert ask(server, "A={}", "B={}") == 1
    output = capsys.readouterr()
    assert "fine" in output.out
    assert "error: B: broken" in output.err


def test_an_answer_without_results_is_an_error_with_its_message(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status, server.answer = 400, b'{"message":"the time \\"x\\" cannot be read"}'
    assert ask(server, "{}", "--from", "x") == 1
    assert 'the time "x" cannot be read' in capsys.readouterr().err


def test_an_unknown_data_source_is_told_with_those_that_there_are(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(server, "{}", source="twon") == 1
    assert (
        "no data source is called 'twon'; there are: 'town' (1), 'shop' (7), '7' (12)"
        in capsys.readouterr().err
    )
    assert not server.asked


@pytest.mark.parametrize("sources", [{"message": "Unauthorized"}, [{"name": 3}], "hello"])
def test_what_is_no_graftage_server_is_asked_to_be_one(
    server: Scripted, capsys: pytest.CaptureFixture[str], sources: object
) -> None:
    server.sources = sources
    assert ask(server, "{}") == 1
    assert "is this a Graftage server?" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_told_with_the_command_that_starts_one(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "--url", "http://127.0.0.1:1", "--datasource", "1", "{}"]) == 1
    assert "no server answers at http://127.0.0.1:1" in (told := capsys.readouterr().err)
    assert "`graftage serve` starts one" in told


def test_a_url_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--url", "http://[::1", "--datasource", "1", "{}"]) == 1
    assert capsys.readouterr().err.startswith("graftage: http://[::1: Invalid port")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ('{"target": }', "Expecting value: line 1 column 12"),
        ('A={"a": 1,\n"b" 2}', "Expecting ':' delimiter: line 2 column 5"),
        ("[1]", "expected a JSON object"),
        ("cpu", "is not JSON"),
        ('{"a":' * 20_000, "it nests too deep"),
    ],
)
def test_a_query_that_is_no_json_object_is_told_where(
    capsys: pytest.CaptureFixture[str], query: str, complaint: str
) -> None:
    assert complaint in misuse(capsys, "--datasource", "1", query)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{}",), "one of the arguments --datasource --plugin --reattach is required"),
        (("--datasource", "1", "--plugin", "p", "{}"), "not allowed with argument"),
        (("--datasource", "1", "--interval", "-5", "{}"), "expected a whole number above 0, got '-5'"),
        (("--datasource", "1", "--interval", str(2**63), "{}"), "expected a whole number above 0"),
        (("--datasource", "1", "--timeout", "nan", "{}"), "expected seconds, more than 0 and at most 86400"),
        (("--datasource", "1", "--timeout", "1e308", "{}"), "at most 86400, got '1e308'"),
        (("--plugin", "p", "--set", "token=x", "{}"), "expected url, name or id, got 'token'"),
        (("--plugin", "p", "--set", "id=x", "{}"), "expected a number as id, got 'x'"),
        (("--plugin", "p", "--set", f"id={2**63}", "{}"), "expected a number as id"),
        (("--plugin", "p", "--secret", "hunter2", "{}"), "--secret: expected KEY=VARIABLE, the name of the"),
        (("--plugin", "p", "--formt", "csv", "{}"), "there is no flag --formt, did you mean --format?"),
        (("--plugin", "p", "--json", "[", "{}"), "is not JSON"),
    ],
)
def test_flags_that_make_no_sense_are_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    told = misuse(capsys, *arguments)
    assert complaint in told
    assert "hunter2" not in told


def test_settings_of_a_data_source_are_for_a_plugin_alone(
    server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(server, "{}", "--secret-file", "token=x") == 2
    assert "--secret and --secret-file describe a data source for --plugin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "complaint"),
    [("nowhere", "nowhere does not exist"), ("empty", "no plugin.json in ")],
)
def test_a_path_without_a_plugin_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, complaint: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["query", "--plugin", str(tmp_path / path), "{}"]) == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert "name a plugin's folder or its executable" in told


@pytest.mark.parametrize("named", ["", "plugin.json"])
@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, 'backend: a plugin without a backend cannot be asked; write "backend": true'),
        ({"backnd": True, "executable": "x"}, "backend: a plugin without a backend"),
        ({"backend": "yes"}, "backend: Expected bool, got str"),
        ({"backend": True, "executable": "x"}, "no x_"),
    ],
)
def test_a_plugin_that_cannot_be_asked_is_told_with_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], complaint: str, named: str
) -> None:
    file = tmp_path / "plugin.json"
    file.write_text(json.dumps({"id": "acme", "type": "datasource"} | fields))
    assert main(["query", "--plugin", str(tmp_path / named), "{}"]) == 1
    told = capsys.readouterr().err
    assert complaint in told
    assert (f"{file}: backend: " in told) == complaint.startswith("backend")


@pytest.mark.parametrize("path", ["../acme", "../acme/plugin.json", "../srv/../acme"])
def test_the_path_of_a_plugin_may_lead_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "srv").mkdir()
    (tmp_path / "acme").mkdir()
    described = {"id": "acme", "type": "datasource", "backend": True, "executable": "acme"}
    (tmp_path / "acme" / "plugin.json").write_text(json.dumps(described))
    (tmp_path / "acme" / "acme.py").write_text("")
    monkeypatch.chdir(tmp_path / "srv")
    assert plugin_at(Path(path))[1].path == (tmp_path / "acme" / "acme.py").resolve()


def test_a_server_is_not_named_beside_a_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--plugin", ".", "--url", "http://x", "{}"]) == 2
    assert "--url names a server" in capsys.readouterr().err


def test_a_mistake_is_one_line_that_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    told = misuse(capsys, "{}")
    assert told.startswith("graftage query: error: one of the arguments")
    assert told.endswith("; see graftage query --help\n")
    assert told.count("\n") == 1


def test_a_secret_is_never_read_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\n")
    plugin.chmod(0o755)
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    assert main(["query", "--plugin", str(plugin), "--secret", "token=NO_SUCH_SECRET", "{}"]) == 2
    told = capsys.readouterr().err
    assert (
        "--secret token=...: no environment variable of the given name is set; expected KEY=VARIABLE" in told
    )
    assert "NO_SUCH_SECRET" not in told, "somebody may have typed the secret itself"
    assert main(["query", "--plugin", str(plugin), "--secret-file", f"token={tmp_path / 'none'}", "{}"]) == 2
    assert "meant to hold a secret, cannot be read" in capsys.readouterr().err


def test_two_queries_of_one_name_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--datasource", "1", "A={}", "A={}"]) == 2
    assert "two queries are called 'A'" in capsys.readouterr().err
