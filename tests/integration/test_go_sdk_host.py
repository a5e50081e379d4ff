"""A plugin of our SDK under a host of go-plugin and Grafana's current SDK for Go."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from graftage.data.frame_json import write_frame_json
from support.go import build_sdk
from support.plugins import everything

PLUGIN = everything.__file__
SOURCE = {
    "id": 7,
    "uid": "u7",
    "name": "Interop",
    "url": "http://localhost:1",
    "jsonData": base64.b64encode(b'{"a": 1}').decode(),
    "decryptedSecureJsonData": {"key": "s3cr3t"},
    "lastUpdatedMS": 1,
}
CONTEXT = {
    "orgId": 2,
    "pluginId": "acme-datasource",
    "pluginVersion": "1.2.3",
    "user": {"login": "ada", "role": "Admin"},
    "dataSourceInstanceSettings": SOURCE,
    "grafanaConfig": {"GF_APP_URL": "https://example.com/"},
    "userAgent": "Grafana/13.0.1 (linux; amd64)",
}
LINKS = {
    "plain": (),
    "tls": ("-automtls",),
    "multiplexed": ("-mux",),
    "tls, multiplexed": ("-automtls", "-mux"),
}

Line = dict[str, Any]


def run(*commands: Line, link: tuple[str, ...] = ()) -> list[list[Line]]:
    """For each command what the host printed of it, a line for each message and one for the end."""
    done = subprocess.run(
        [build_sdk() / "sdkhost", *link, sys.executable, PLUGIN],
        input="".join(json.dumps(command) + "\n" for command in commands),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    started, *printed, stopped = map(json.loads, done.stdout.splitlines())
    assert started == {"started": True}
    assert stopped["exited"]
    assert stopped["stopped"] < 2.0, "the host had to kill it"
    answers: list[list[Line]] = [[]]
    for line in printed:
        answers[-1].append(line)
        if "end" in line or "started" in line:
            answers.append([])
    return answers[:-1]


def query(**models: Line) -> Line:
    """A request with one query for each keyword: its name is the ref id, its value the model."""
    queries = [
        {
            "refId": ref_id,
            "json": packed(model),
            "queryType": model["queryType"],
            "timeRange": {"fromEpochMS": 1_000, "toEpochMS": 61_000},
            "intervalMS": 15_000,
            "maxDataPoints": 7,
        }
        for ref_id, model in models.items()
    ]
    return {"pluginContext": CONTEXT, "headers": {"FromAlert": "true"}, "queries": queries}


def ask(*, timeout: float = 20.0, **models: Line) -> Line:
    return {"call": "Data/QueryData", "request": query(**models), "timeout": timeout}


def ask_in_pieces(*, parts: int = 0, **models: Line) -> Line:
    return {"call": "Data/QueryChunkedData", "request": query(**models), "parts": parts}


def health(**source: Any) -> Line:
    context = CONTEXT | {"dataSourceInstanceSettings": SOURCE | source}
    return {"call": "Diagnostics/CheckHealth", "request": {"pluginContext": context}}


def channel(call: str, path: str, data: object = None, **more: Any) -> Line:
    request = {"pluginContext": CONTEXT, "path": path, "data": packed(data)}
    return {"call": f"Stream/{call}", "request": request, **more}


def resource(path: str, *, parts: int = 0, **more: Any) -> Line:
    request = {"pluginContext": CONTEXT, "path": path, "url": path, "method": "GET", **more}
    return {"call": "Resource/CallResource", "request": request, "parts": parts}


def admission(call: str, thing: object) -> Line:
    request = {
        "pluginContext": CONTEXT,
        "operation": "UPDATE",
        "kind": {"group": "example.com", "version": "v1", "kind": "Thing"},
        "objectBytes": packed(thing) if thing else "",
        "oldObjectBytes": packed({"n": 0}),
    }
    return {"call": f"AdmissionControl/{call}", "request": request}


def packed(value: object) -> str:
    """Bytes of JSON as protobuf's own JSON has them."""
    return base64.b64encode(json.dumps(value).encode()).decode()


def unpacked(text: str) -> Any:
    return json.loads(base64.b64decode(text))


def numbers(packets: list[Line]) -> list[int]:
    return [unpacked(packet["message"]["data"])["n"] for packet in packets]


METRICS = {"call": "Diagnostics/CollectMetrics", "request": {"pluginContext": CONTEXT}}
CANCELLED = {"queryType": "cancelled"}


def columns(frame: Line) -> Line:
    names = [field["name"] for field in frame["schema"]["fields"]]
    return dict(zip(names, frame["data"]["values"], strict=True))


def only_frame(answer: list[Line]) -> Line:
    told, end = answer
    assert end == {"end": "OK"}
    (frame,) = told["frames"]
    return dict(frame)


@pytest.mark.parametrize("link", LINKS)
def test_all_services_answer(link: str) -> None:
    answers = run(
        ask(A={"queryType": "series", "rows": 100}),
        ask_in_pieces(A={"queryType": "pieces"}),
        health(),
        METRICS,
        resource("parts"),
        channel("SubscribeStream", "numbers/0/5"),
        channel("RunStream", "numbers/0/5"),
        channel("PublishStream", "numbers/0/5", 1),
        admission("ValidateAdmission", {"n": 1}),
        admission("MutateAdmission", {"n": 1}),
        {"call": "ResourceConversion/ConvertObjects", "request": {"pluginContext": CONTEXT}},
        link=LINKS[link],
    )
    assert [answer[-1] for answer in answers] == [{"end": "OK"}] * 11
    assert len(columns(only_frame(answers[0]))["value"]) == 100


@pytest.mark.parametrize("link", ["plain", "tls, multiplexed"])
def test_100_megabytes_arrive_whole(link: str) -> None:
    rows = 6_250_000
    ((told, end),) = run(ask(A={"queryType": "series", "rows": rows}, timeout=60), link=LINKS[link])
    assert end == {"end": "OK"}
    assert told["bytes"] > 100_000_000
    assert told["rows"] == [rows]


def test_fields_of_every_type() -> None:
    (answer,) = run(ask(A={"queryType": "kinds"}))
    frame = replace(everything.kinds(), ref_id="A")
    assert only_frame(answer) == json.loads(b"".join(write_frame_json(frame)))


def test_one_table_of_four_libraries_is_the_same_frame() -> None:
    libraries = ("pyarrow", "pandas", "polars", "duckdb")
    answers = run(*(ask(A={"queryType": "table", "library": library}) for library in libraries))
    frames = dict(zip(libraries, map(only_frame, answers), strict=True))
    for library in libraries:
        assert frames[library] == frames["pyarrow"], library
    found = columns(frames["pyarrow"])
    assert found["text"] == ["a", None, "ü"]
    assert found["time"] == [1_700_000_000_123, None, -1]
    assert found["date"] == [86_400_000, None, -86_400_000]
    assert found["decimal"] == [1.1, None, -1.1]
    assert found["list"] == [[1, None], None, []]


def test_the_plugin_receives_the_whole_context() -> None:
    (answer,) = run(ask(A={"queryType": "context"}))
    (told,) = columns(only_frame(answer))["told"]
    assert json.loads(told) == {
        "org": 2,
        "plugin": ["acme-datasource", "1.2.3"],
        "user": ["ada", "Admin"],
        "config": {"GF_APP_URL": "https://example.com/"},
        "version": "13.0.1",
        "source": ["u7", "Interop", "http://localhost:1", {"a": 1}, "s3cr3t"],
        "alert": True,
        "range": [1_000, 61_000],
        "interval": 15.0,
        "points": 7,
    }


def test_an_error_stays_with_its_ref_id_and_keeps_status_and_source() -> None:
    ((told, end),) = run(ask(A={"queryType": "series", "rows": 1}, B={"queryType": "error"}))
    assert end == {"end": "OK"}
    assert told["rows"] == [1]
    assert told["message"]["responses"] == {
        "A": {"status": 200},
        "B": {"error": "no such metric", "status": 404, "errorSource": "downstream"},
    }


def test_a_call_that_takes_too_long_is_cancelled_in_the_plugin() -> None:
    (late,), told = run(ask(A={"queryType": "sleep"}, timeout=0.3), ask(A=CANCELLED))
    assert late["end"] == "DeadlineExceeded"
    assert columns(only_frame(told)) == {"cancelled": [True]}


def test_pieces_of_an_answer() -> None:
    ((*pieces, end),) = run(ask_in_pieces(A={"queryType": "pieces"}))
    assert end == {"end": "OK"}
    assert [piece["rows"] for piece in pieces] == [[10]] * 3
    assert {(piece["message"]["refId"], piece["message"]["frameId"]) for piece in pieces} == {("A", "f0")}
    values = itertools.chain.from_iterable(columns(piece["frames"][0])["value"] for piece in pieces)
    assert list(values) == pytest.approx(everything.series(0, 30)["value"].tolist())


def test_an_answer_in_pieces_can_break_off() -> None:
    ((*pieces, last, end),) = run(ask_in_pieces(A={"queryType": "pieces", "fail": True}))
    assert [piece["rows"] for piece in pieces] == [[10]] * 3
    assert last["message"] == {
        "refId": "A",
        "error": "broke off",
        "status": 500,
        "errorSource": "downstream",
    }
    assert end == {"end": "OK"}


def test_a_host_that_has_enough_cancels_the_rest() -> None:
    (first, end), told = run(ask_in_pieces(A={"queryType": "sleep"}, parts=1), ask(A=CANCELLED))
    assert (first["rows"], end["end"]) == ([1], "Canceled")
    assert columns(only_frame(told)) == {"cancelled": [True]}


def test_health() -> None:
    well, unwell, broken = run(health(), health(url="unwell", id=8), health(url="broken", id=9))
    details = base64.b64encode(b'{"secret":"s3cr3t"}').decode()
    assert well[0]["message"] == {"status": "OK", "message": "Interop is well", "jsonDetails": details}
    assert unwell[0]["message"] == {"status": "ERROR", "message": "it is unwell"}
    assert broken[0]["message"]["status"] == "ERROR"
    assert "this data source cannot be made" in broken[0]["message"]["message"]


def test_metrics() -> None:
    _, (told, _) = run(ask(A={"queryType": "error"}), METRICS)
    text = base64.b64decode(told["message"]["metrics"]["prometheus"]).decode()
    assert (
        'grafana_plugin_request_total{endpoint="queryData",status="error",status_source="downstream"} 1'
        in text
    )


def test_a_data_source_that_cannot_be_made_says_so() -> None:
    request = query(A={"queryType": "kinds"})
    request["pluginContext"] = CONTEXT | {"dataSourceInstanceSettings": SOURCE | {"url": "broken"}}
    ((told, _),) = run({"call": "Data/QueryData", "request": request})
    assert told["message"]["responses"] == {
        "A": {"error": "this data source cannot be made", "status": 500, "errorSource": "plugin"}
    }


def test_a_resource_is_asked_and_answers() -> None:
    asked = resource(
        "echo/a b",
        url="echo/a%20b?q=1&q=2",
        method="POST",
        headers={"X-Asked": {"values": ["1"]}},
        body=base64.b64encode(b"grown " * 100_000).decode(),
    )
    ((*parts, end),) = run(asked)
    assert end == {"end": "OK"}
    head = parts[0]["message"]
    assert head["code"] == 418
    assert head["headers"]["X-Many"] == {"values": ["a", "b"]}
    body = b"".join(base64.b64decode(part["message"].get("body", "")) for part in parts)
    assert json.loads(body) == {"name": "a b", "query": ["1", "2"], "asked": "1", "body": "grown " * 100_000}


def test_a_resource_answers_in_parts_or_with_an_error() -> None:
    (*parts, end), (failed, _), (nowhere, _) = run(
        resource("parts"), resource("failing"), resource("nowhere")
    )
    assert end == {"end": "OK"}
    assert [base64.b64decode(part["message"]["body"]) for part in parts] == [
        b"part 0;",
        b"part 1;",
        b"part 2;",
    ]
    assert failed["message"]["code"] == 503
    assert unpacked(failed["message"]["body"]) == {"message": "the database is down"}
    assert nowhere["message"]["code"] == 404


@pytest.mark.parametrize(
    "call",
    [resource("wait", parts=1), channel("RunStream", "numbers/0/1/on", parts=1)],
    ids=["resource", "stream"],
)
def test_who_has_enough_of_an_answer_cancels_it_in_the_plugin(call: Line) -> None:
    (*_, end), told = run(call, ask(A=CANCELLED))
    assert end["end"] == "Canceled"
    assert columns(only_frame(told)) == {"cancelled": [True]}


def test_who_may_subscribe_and_who_may_publish() -> None:
    paths = ("numbers/0/1", "broken", "nowhere")
    asked = [channel("SubscribeStream", path) for path in paths]
    said = [channel("PublishStream", path, {"n": 1}) for path in paths]
    messages = [told["message"] for told, _ in run(*asked, *said)]
    statuses = [message.get("status", "OK") for message in messages]
    assert statuses == ["OK", "PERMISSION_DENIED", "NOT_FOUND"] * 2
    assert unpacked(messages[3]["data"]) == {"published": {"n": 1}}


def test_10_000_packets_with_a_crash_of_the_plugin_in_the_middle() -> None:
    (*first, broken), restarted, (*second, end) = run(
        channel("RunStream", "numbers/0/5000/on", crash=5000),
        {"restart": True},
        channel("RunStream", "numbers/5000/10000"),
    )
    assert broken["end"] == "Unavailable"
    assert (restarted, end) == ([{"started": True}], {"end": "OK"})
    assert numbers(first + second) == list(range(10_000))


def test_rows_are_a_frame_and_then_its_data_alone() -> None:
    ((first, second, end),) = run(channel("RunStream", "rows"))
    assert end == {"end": "OK"}
    frame, data = (unpacked(packet["message"]["data"]) for packet in (first, second))
    assert [field["name"] for field in frame["schema"]["fields"]] == ["time", "value"]
    assert frame["data"]["values"][1] == [1.5]
    assert "schema" not in data
    assert data["data"]["values"][1] == [2.5]


def test_a_stream_can_fail() -> None:
    ((first, end),) = run(channel("RunStream", "broken"))
    assert unpacked(first["message"]["data"]) == 1
    assert end == {"end": "Unknown", "text": "the stream is broken", "source": "downstream"}


def test_objects_are_validated_mutated_and_converted() -> None:
    converting = {
        "pluginContext": CONTEXT,
        "uid": "c1",
        "objects": [{"raw": packed({"n": 1}), "contentType": "application/json"}],
        "targetVersion": {"group": "example.com", "version": "v2"},
    }
    (valid, _), (refused, _), (mutated, _), (converted, _), (failed,) = run(
        admission("ValidateAdmission", {"n": 1}),
        admission("ValidateAdmission", {"bad": 1}),
        admission("MutateAdmission", {"n": 1}),
        {"call": "ResourceConversion/ConvertObjects", "request": converting},
        admission("MutateAdmission", None),
    )
    assert valid["message"] == {"allowed": True, "warnings": ["UPDATE of Thing"]}
    reason = {"status": "Failure", "message": "it is bad", "reason": "Forbidden", "code": 403}
    assert refused["message"] == {"result": reason}
    assert mutated["message"]["allowed"]
    assert unpacked(mutated["message"]["objectBytes"]) == {"old": {"n": 0}, "new": {"n": 1}}
    (thing,) = converted["message"]["objects"]
    assert (converted["message"]["uid"], unpacked(thing["raw"])) == ("c1", {"v2": {"n": 1}})
    assert failed == {"end": "Unknown", "text": "there is nothing to look at", "source": "downstream"}
