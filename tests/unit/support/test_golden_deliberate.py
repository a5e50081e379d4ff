"""Every rule: a recorded case it speaks of, an answer that does what it demands, and answers that do not.

The last of the bad answers is the recorded one: a rule that it satisfies would be no difference.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from support.golden.cases import Case, Request, Response, Setup
from support.golden.deliberate import RULES, is_about_client_made_read_only
from support.golden.judge import Verdict, judge
from support.golden.observation import Answer, Observation
from support.golden.situation import Situation

HANDLER = "application/json"
CRASH = (500, '{"error":"Server Error","message":"Internal Server Error"}')
FAILED = (500, '{"message":"Metric request error"}')
UNSENT = (500, '{"message":"body json marshal"}')
TIMES = {"fromRaw": "1", "toRaw": "2", "fromEpochMs": "1", "toEpochMs": "2"}
SOURCE = {
    "id": "1",
    "orgId": "1",
    "name": "n",
    "type": "t",
    "url": "http://one",
    "jsonData": "{}",
    "decryptedSecureJsonData": {},
}


def source(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A data source in its single form."""
    plain = {
        "id": number,
        "uid": "u",
        "orgId": 1,
        "name": "n",
        "type": "t",
        "typeLogoUrl": "",
        "access": "proxy",
    }
    more = {"url": "http://one", "password": "", "database": "", "basicAuthUser": "", "basicAuthPassword": ""}
    return plain | more | {"jsonData": {}, "version": 1, "readOnly": False} | changes


def exchange(method: str, path: str, status: int, text: str, body: Any = None, **more: Any) -> Case:
    return Case(
        "n",
        "7.5.5",
        "s",
        1,
        request=Request(method, path, body=None if body is None else json.dumps(body)),
        response=Response(status, HANDLER, (), text),
        **more,
    )


def written(number: int, method: str = "POST", asked: Mapping[str, Any] | None = None, **shown: Any) -> Case:
    """An add or an update that went through."""
    path = "/api/datasources" if method == "POST" else f"/api/datasources/{number}"
    text = json.dumps({"datasource": source(number, **shown), "id": number})
    return exchange(method, path, 200, text, asked or {"name": "n"})


def query(
    status: int,
    text: str,
    queries: Sequence[Any] = ({"refId": "A", "datasourceId": 1},),
    since: str = "1",
    **more: Any,
) -> Case:
    body = {"from": since, "to": "2", "queries": queries}
    return exchange("POST", "/api/tsdb/query", status, text, body, **more)


def received(*models: Mapping[str, Any], times: Mapping[str, str] = TIMES, **changes: Any) -> dict[str, Any]:
    """What a plugin received."""
    queries = [{"refId": model.get("refId", "A"), "modelJson": json.dumps(model)} for model in models]
    return {"timeRange": dict(times), "datasource": {**SOURCE, **changes}, "queries": queries}


def listing(**parts: Any) -> Case:
    """A long body of which parts were kept."""
    response = Response(200, HANDLER, (), None, parts)
    return Case("n", "7.5.5", "s", 1, request=Request("GET", "/api/plugins"), response=response)


def results(*shown: Mapping[str, Any], message: str = "") -> str:
    body: dict[str, Any] = {
        "results": {
            one["refId"]: {
                **({"error": one["error"]} if "error" in one else {}),
                "refId": one["refId"],
                "series": one.get("series", []),
                "tables": one.get("tables"),
                "dataframes": None,
            }
            for one in shown
        }
    }
    return json.dumps(body | ({"message": message} if message else {}), separators=(",", ":"))


def seen(status: int, text: str, *requests: Any, **more: Any) -> Observation:
    return Observation(Answer(status, HANDLER, (), text.encode()), tuple(requests), **more)


def as_recorded(case: Case) -> Observation:
    assert case.response is not None
    requests = () if case.plugin_request is None else (case.plugin_request,)
    return seen(
        case.response.status, case.response.body_text or "", *requests, sent_at=case.sent_at or (0, 0)
    )


INVALID = '{"message":"Invalid data source ID"}'
A = {"refId": "A", "datasourceId": 1}
INFINITE = {
    "results": [
        {"refId": "A", "series": [{"name": "s", "points": [{"value": "Infinity", "timestamp": "5"}]}]}
    ]
}
ODD = {
    "results": [
        {"refId": "A", "tables": [{"columns": [{"name": "a"}], "rows": [{"values": [{"kind": 17}]}]}]}
    ]
}
TWO_ERRORS = {"results": [{"refId": "B", "error": "second"}, {"refId": "A", "error": "first"}]}
PLAIN = {"results": [{"refId": "A"}]}
TO_BOTH = (
    {"refId": "A", "datasourceId": 1, "probe": {"response": PLAIN}},
    {"refId": "B", "datasourceId": 2, "probe": {"response": {"results": [{"refId": "B"}]}}},
)
NONSENSE = {**TIMES, "fromRaw": "nonsense", "fromEpochMs": "0"}
FAR = {**TIMES, "toRaw": "9223372036854775807", "toEpochMs": "-1"}
CLOCK = (1_700_000_000_000, 1_700_000_000_004)
SPAN = {**TIMES, "fromRaw": "now-1h30m", "fromEpochMs": "0"}
OURS_OF_SPAN = {**SPAN, "fromEpochMs": str(1_800_000_000_002 - 5_400_000)}
OUR_CLOCK = (1_800_000_000_000, 1_800_000_000_005)
EXIT_LINE = 'lvl=dbug msg="plugin process exited" logger=p pluginId=probe path=/x pid=N error="exit status 3"'
OUR_EXIT = json.dumps(
    {"message": "plugin 'probe' is backing off: its process ended with status 3", "plugin_id": "probe"}
)
METRIC_LINES = [
    "# TYPE grafana_proxy_response_status_total counter",
    'grafana_proxy_response_status_total{code="200"} 1',
]
OUR_METRICS = "\n".join(
    [
        METRIC_LINES[0],
        METRIC_LINES[1] + ".0",
        'grafana_build_info{a="b"} 1',
        "grafana_db_datasource_query_by_id_total 7.0",
        'http_request_total{a="b"} 1',
        'http_request_duration_milliseconds_count{a="b"} 1',
    ]
)
JSON_QUERY = {"datasourceId": 1, "refId": "A", "target": "a"}
ASKED = {
    "method": "POST",
    "path": "/query",
    "headers": [["Host", "u"]],
    "body": json.dumps({"range": {"from": "1", "to": "2"}, "targets": [JSON_QUERY]}, separators=(",", ":")),
}
FORWARDED = {"method": "GET", "path": "/x", "body": "", "headers": [["X-Forwarded-For", "127.0.0.1"]]}
FORWARDED_TWICE = {
    **FORWARDED,
    "headers": [["Authorization", "Basic abc"], ["X-Forwarded-For", "127.0.0.1, 127.0.0.1"]],
}
PLUGIN_FILES = {
    "plugins/a/plugin.json": {"id": "a", "name": "a", "type": "gadget"},
    "plugins/b/plugin.json": {"id": "b", "name": "b", "type": "panel"},
    "plugins/c/plugin.json": {"id": "b", "name": "c", "type": "panel"},
}


BEFORE_HANDLER = "application/json; charset=UTF-8"
USUAL_HEADERS = (
    ("cache-control", "no-cache"),
    ("expires", "-1"),
    ("pragma", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "deny"),
    ("x-xss-protection", "1; mode=block"),
)
HEALTHY = '{"message":"probe ok","status":"OK"}'
GONE = '{"message":"Failed to call resource"}'
EMPTY = "/api/datasources/1/resources/empty"
EXITED = exchange("GET", "/api/datasources/1/resources/exit", 500, GONE)
GARBLED = {"responses": {"A": {"error": "100% bad", "jsonMeta": "eyJhIjoxfQ==", "frames": ["QVJST1cx"]}}}
BY_UID = {
    "datasource": {"uid": "u"},
    "probe": {
        "response": {"results": [{"refId": "A", "series": [{"points": [{"timestamp": "5", "value": 2}]}]}]}
    },
    "refId": "A",
}
AS_FRAMES = (
    '{"results":{"A":{"status":200,"frames":[{"schema":{"refId":"A","fields":['
    '{"name":"time","type":"time","typeInfo":{"frame":"time.Time","nullable":true}},'
    '{"name":"value","type":"number","typeInfo":{"frame":"float64","nullable":true}}]},'
    '"data":{"values":[[5],[2]]}}]}}}'
)


def in_version_2(uid: str) -> dict[str, Any]:
    """What a plugin of version 2 received."""
    settings = {"id": "1", "uid": uid, "name": "n"}
    return {"method": "CheckHealth", "request": {"pluginContext": {"dataSourceInstanceSettings": settings}}}


def by_uid(model: Mapping[str, Any], times: Mapping[str, str] = TIMES) -> dict[str, Any]:
    """What a plugin is asked by a query of Grafana 8 and later."""
    text = json.dumps(model, separators=(",", ":"))
    asked = {"refId": "A", "maxDataPoints": "100", "intervalMs": "1000", "modelJson": text}
    return {"timeRange": dict(times), "datasource": SOURCE, "queries": [asked]}


def ds_query(status: int, text: str, *queries: Any, **more: Any) -> Case:
    body = {"from": "1", "to": "2", "queries": queries}
    return exchange("POST", "/api/ds/query", status, text, body, **more)


@dataclass(frozen=True)
class Example:
    """rule: how its reason begins. good, bad: what is seen; the recorded answer is bad on its own."""

    rule: str
    case: Case
    good: Observation
    bad: Sequence[Observation] = ()
    before: tuple[Case, ...] = ()
    setup: Setup = dataclasses.field(default_factory=Setup)


EXAMPLES = [
    Example(
        "section 9: no data source",
        exchange("GET", "/api/datasources/1/health", 404, '{"message":"Plugin not found"}'),
        seen(500, '{"message":"Unable to find datasource plugin"}'),
        [seen(500, '{"message":"Plugin not found"}'), seen(404, '{"message":"Plugin not found"}')],
        before=(written(1, asked={"name": "n", "type": "graphite"}, type="graphite"),),
    ),
    Example(
        "section 16 row 1,",
        query(500, '{"message":"Unable"}', [{"refId": "A", "datasourceId": 0}]),
        seen(400, INVALID),
        [seen(400, '{"message":"no"}'), seen(400, INVALID, received(A))],
    ),
    Example(
        "section 16 row 2",
        query(*CRASH, [A, None]),
        seen(400, '{"message":"queries[1] is null"}'),
        [seen(400, '{"message":"bad"}'), seen(500, '{"message":"queries[1] is null"}')],
    ),
    Example(
        "section 16 row 3",
        query(200, results({"refId": "A"}), TO_BOTH, plugin_request=received(*TO_BOTH)),
        seen(
            200,
            results({"refId": "A"}, {"refId": "B"}),
            received(TO_BOTH[1], id="2", url="http://two"),
            received(TO_BOTH[0]),
        ),
        [seen(200, results({"refId": "A"}, {"refId": "B"}), received(*TO_BOTH)), seen(400, INVALID)],
        before=(written(1), written(2, url="http://two")),
    ),
    Example(
        "section 16 row 3",
        query(200, results({"refId": "A"}), TO_BOTH, plugin_request=received(*TO_BOTH)),
        seen(400, INVALID),
        [seen(200, results({"refId": "A"}))],
        before=(written(1),),
    ),
    Example(
        "section 16 row 12, section 4.3",
        query(200, results(), since="nonsense", plugin_request=received(A, times=NONSENSE)),
        seen(400, '{"message":"the time \\"nonsense\\" cannot be read"}'),
        [seen(400, '{"message":"a time cannot be read"}')],
    ),
    Example(
        "section 16 row 12, section 4.3",
        query(400, INVALID, since="nonsense"),
        seen(400, '{"message":"the time \\"nonsense\\" cannot be read"}'),
    ),
    Example(
        "section 16 rows 12 and 13",
        query(200, results(), plugin_request=received(A, times=FAR)),
        seen(200, results(), received(A, times={**FAR, "toEpochMs": "9223372036854775807"})),
        [seen(400, '{"message":"too far"}')],
    ),
    Example(
        "section 16 rows 12 and 13",
        query(200, results(), plugin_request=received(A, times=SPAN), sent_at=CLOCK),
        seen(200, results(), received(A, times=OURS_OF_SPAN), sent_at=OUR_CLOCK),
        [seen(200, results(), received(A, times=SPAN), sent_at=OUR_CLOCK)],
    ),
    Example(
        "section 16 rows 4 and 5",
        query(*UNSENT, plugin_request=received(A), plugin_response=INFINITE),
        seen(200, results({"refId": "A", "series": [{"name": "s", "points": [[None, 5]]}]}), received(A)),
        [seen(200, results({"refId": "A", "series": [{"name": "s", "points": [[0, 5]]}]}), received(A))],
    ),
    Example(
        "section 16 row 6",
        query(*FAILED, plugin_request=received(A), plugin_response=ODD),
        seen(400, results({"refId": "A", "error": "kind 17"}, message="kind 17"), received(A)),
        [
            seen(400, results({"refId": "A", "error": " "}, message=" "), received(A)),
            seen(400, results({"refId": "A", "error": "kind 17"}, message="other"), received(A)),
            seen(200, results({"refId": "A"}), received(A)),
        ],
    ),
    Example(
        "section 16 row 7",
        query(
            400,
            results({"refId": "A", "error": "first"}, {"refId": "B", "error": "second"}, message="second"),
            plugin_request=received(A),
            plugin_response=TWO_ERRORS,
            volatile=("/message",),
        ),
        seen(
            400,
            results({"refId": "A", "error": "first"}, {"refId": "B", "error": "second"}, message="first"),
            received(A),
        ),
    ),
    Example(
        "section 16 row 8",
        query(
            *FAILED, plugin_request=received(A), plugin_response={"$action": {"rpc_error": "bad argument"}}
        ),
        seen(
            500, results({"refId": "A", "error": "bad argument"}, message="Metric request error"), received(A)
        ),
        [
            seen(500, results({"refId": "A", "error": "other"}, message="Metric request error"), received(A)),
            seen(
                504,
                results({"refId": "A", "error": "bad argument"}, message="Metric request error"),
                received(A),
            ),
            seen(
                500,
                results({"refId": "B", "error": "bad argument"}, message="Metric request error"),
                received(A),
            ),
        ],
    ),
    Example(
        "section 16 row 8",
        query(
            *FAILED,
            plugin_request=received(A),
            plugin_response={"$action": {"rpc_code": 4, "rpc_error": "too late"}},
        ),
        seen(504, results({"refId": "A", "error": "too late"}, message="Metric request error"), received(A)),
    ),
    Example(
        "section 16 row 8",
        query(*FAILED),
        seen(500, results({"refId": "A", "error": "no such plugin"}, message="Metric request error")),
        [seen(500, results({"refId": "A", "error": ""}, message="Metric request error"))],
    ),
    Example(
        "section 16 row 10",
        query(*FAILED, plugin_response=PLAIN),
        seen(200, results({"refId": "A"}), received(A)),
        [seen(200, results())],
        before=(query(*FAILED, plugin_request=received(A), plugin_response={"$action": {"exit": 1}}),),
    ),
    Example(
        "section 16 row 10: so does any other call",
        exchange("GET", "/api/datasources/1/health", 503, '{"message":"Plugin unavailable"}'),
        Observation(Answer(200, HANDLER, USUAL_HEADERS, HEALTHY.encode()), (in_version_2("u"),)),
        [Observation(Answer(200, HANDLER, USUAL_HEADERS, b'{"status":"ERROR"}'))],
        before=(EXITED,),
    ),
    Example(
        "section 16 row 10: so does any other call",
        exchange("GET", "/api/datasources/1/resources/echo", 500, GONE),
        seen(200, '{"path":"echo"}'),
        [seen(200, '{"path":"other"}')],
        before=(exchange("GET", "/api/datasources/1/resources/echo", 200, '{"path":"echo"}'), EXITED),
    ),
    Example(
        "section 16 row 14: plugins are told",
        exchange("GET", "/api/datasources/1/health", 200, HEALTHY, plugin_request=in_version_2("")),
        seen(200, HEALTHY, in_version_2("u")),
        [seen(200, HEALTHY, in_version_2("other")), seen(200, HEALTHY)],
        before=(written(1),),
    ),
    Example(
        "section 16 row 14: an error",
        query(400, results({"refId": "A", "error": "100%!b(MISSING)ad"}), plugin_response=GARBLED),
        seen(
            400,
            '{"results":{"A":{"error":"100% bad","refId":"A","meta":{"a":1},"series":null,"tables":null,'
            '"dataframes":["QVJST1cx"]}},"message":"100% bad"}',
        ),
        [seen(400, results({"refId": "A", "error": "100% bad"}, message="100% bad"))],
    ),
    Example(
        "section 16 row 27",
        exchange("GET", EMPTY, 200, "", plugin_request={"method": "CallResource", "request": {}}),
        Observation(
            Answer(500, BEFORE_HANDLER, USUAL_HEADERS, GONE.encode()),
            ({"method": "CallResource", "request": {}},),
        ),
        [seen(500, GONE, {"method": "CallResource", "request": {}}), seen(500, GONE)],
    ),
    Example(
        "sections 6 and 15",
        ds_query(400, '{"message":"Query missing data source ID"}', BY_UID),
        seen(200, AS_FRAMES, by_uid(BY_UID)),
        [seen(200, AS_FRAMES), seen(200, AS_FRAMES.replace("[2]", "[3]"), by_uid(BY_UID))],
        before=(written(1),),
    ),
    Example(
        "sections 6 and 15",
        ds_query(200, "{}", {"refId": "A", "datasource": {"uid": "nope"}, "datasourceId": 1}),
        seen(404, '{"message":"Data source not found"}'),
        [seen(404, '{"message":"Data source not found"}', received(A))],
        before=(written(1),),
    ),
    Example(
        "section 15",
        exchange("GET", "/api/datasources/uid/u/health", 404, '{"message":"no such route"}'),
        seen(404, '{"message":"Not found"}'),
        [seen(200, HEALTHY)],
        before=(written(1),),
    ),
    Example(
        "section 16 rows 4 and 5",
        ds_query(200, "{", A, plugin_request=received(A), plugin_response=INFINITE),
        seen(
            200, results({"refId": "A", "series": [{"name": "s", "points": [[None, 5]]}]}) + "\n", received(A)
        ),
        [seen(200, results({"refId": "A", "series": [{"name": "s", "points": [[None, 5]]}]}), received(A))],
    ),
    Example(
        "section 16 row 8",
        query(
            *FAILED,
            plugin_request=received(A),
            plugin_response={"$action": {"rpc_code": 12, "rpc_error": "no"}},
        ),
        seen(
            500, results({"refId": "A", "error": "lacks it: no"}, message="Metric request error"), received(A)
        ),
        [seen(500, results({"refId": "A", "error": ""}, message="Metric request error"), received(A))],
    ),
    Example(
        "section 16 row 11",
        query(200, results({"refId": "A"}), plugin_request=received(A), plugin_response=PLAIN),
        seen(200, results({"refId": "A"}), received(A, url="http://two")),
        before=(written(1), written(1, "PUT", {"name": "n", "url": "http://two"}, url="http://two")),
    ),
    Example(
        "section 16 row 11",
        query(200, results({"refId": "A"}), plugin_request=received(A), plugin_response=PLAIN),
        seen(400, INVALID),
        before=(written(1), exchange("DELETE", "/api/datasources/1", 200, "{}")),
    ),
    Example(
        "README of the Simple JSON example",
        query(*FAILED, [JSON_QUERY], upstream_requests=(ASKED,), upstream_reply={"/query": {"status": 500}}),
        seen(
            400, results({"refId": "A", "error": "HTTP 500"}, message="HTTP 500"), upstream_requests=(ASKED,)
        ),
        [
            seen(400, results({"refId": "A", "error": "HTTP 500"}, message="HTTP 500")),
            seen(
                500,
                results({"refId": "A", "error": "HTTP 500"}, message="HTTP 500"),
                upstream_requests=(ASKED,),
            ),
        ],
        before=(written(1, type="grafana-simple-json-backend-datasource"),),
    ),
    Example(
        "README of the Simple JSON example",
        query(
            200,
            results({"refId": "A", "tables": [{"columns": [{"text": "n"}], "rows": []}]}),
            [JSON_QUERY],
            upstream_requests=(ASKED,),
            upstream_reply={"*": {"body": [{"columns": [{"text": "n"}], "rows": [[1], [2.5], [None]]}]}},
        ),
        seen(
            200,
            results({"refId": "A", "tables": [{"columns": [{"text": "n"}], "rows": [[1], [2.5], [None]]}]}),
            upstream_requests=(ASKED,),
        ),
        before=(written(1, type="grafana-simple-json-backend-datasource"),),
    ),
    Example(
        "section 16 rows 21 and 25",
        dataclasses.replace(
            exchange("GET", "/api/datasources/proxy/1/x", 200, "{}", upstream_requests=(FORWARDED_TWICE,)),
            request=Request("GET", "/api/datasources/proxy/1/x", (("Authorization", "Basic abc"),)),
        ),
        seen(200, "{}", upstream_requests=(FORWARDED,)),
        [
            seen(200, "{}"),
            seen(200, "{}", upstream_requests=(FORWARDED_TWICE,)),
            seen(200, "{}", upstream_requests=({**FORWARDED, "headers": []},)),
        ],
    ),
    Example(
        "section 16 rows 15, 18 and 20",
        written(1, "PUT", {"name": "n", "url": ""}, password="pw"),
        seen(200, json.dumps({"datasource": source(url="", version=3), "id": 1})),
        [seen(200, json.dumps({"datasource": source(url="", version=2), "id": 1}))],
        before=(written(1), written(1, "PUT", {"name": "n"})),
    ),
    Example(
        "section 16 rows 15 to 17",
        dataclasses.replace(
            exchange(
                "PUT", "/api/datasources/9", 409, '{"message":"updated by someone else"}', {"name": "n"}
            ),
        ),
        seen(404, '{"message":"Data source not found"}'),
        [seen(404, '{"message":"other"}'), seen(400, '{"message":"Data source not found"}')],
        before=(written(1),),
    ),
    Example(
        "section 16 rows 15 to 17",
        exchange(
            "PUT", "/api/datasources/2", 500, '{"message":"Failed to update datasource"}', {"name": "n"}
        ),
        seen(409, '{"message":"data source with the same name already exists"}'),
        before=(written(1), written(2, name="m", uid="v")),
    ),
    Example(
        "section 16 rows 15 to 17",
        written(1, "PUT", {"name": "n", "version": 1}, version=2),
        seen(
            409,
            '{"message":"Datasource has already been updated by someone else. Please reload and try again"}',
        ),
        before=(written(1), written(1, "PUT", {"name": "n"}, version=1)),
    ),
    Example(
        "section 9",
        listing(ids=["alertlist", "probe-datasource", "b"]),
        seen(200, '[{"id":"probe-datasource"},{"id":"b"}]'),
        [seen(200, '[{"id":"b"}]'), seen(200, '[{"id":"b"},{"id":"probe-datasource"}]')],
        setup=Setup(files=PLUGIN_FILES, plugins=("probe",)),
    ),
    Example(
        "section 16 row 31: one bad",
        Case("n", "7.5.5", "s", 0, exit_code=1),
        Observation(plugins=frozenset({"b"})),
        [Observation(plugins=frozenset()), Observation(exit_code=1)],
        setup=Setup(files=PLUGIN_FILES),
    ),
    Example(
        "section 16 rows 31 and 32",
        listing(plugins=[]),
        seen(200, '[{"id":"b"}]'),
        [seen(200, '[{"id":"b"},{"id":"a"}]')],
        setup=Setup(files=PLUGIN_FILES, symlinks={"plugins/mm": "nowhere"}),
    ),
    Example(
        "section 16 row 31: of two",
        listing(plugins=[{"id": "b", "name": "b or c"}]),
        seen(200, '[{"id":"b","name":"b"}]'),
        [seen(200, '[{"id":"b","name":"c"}]'), seen(200, '[{"id":"b","name":"b or c"}]')],
        setup=Setup(files=PLUGIN_FILES),
    ),
    Example(
        "section 13.2",
        Case("n", "7.5.5", "s", 0, log=(EXIT_LINE, 'lvl=info msg="Starting plugin search" logger=plugins')),
        Observation(log=OUR_EXIT),
        [
            Observation(),
            Observation(log=EXIT_LINE),
            Observation(log=OUR_EXIT.replace("status 3", "status 4")),
            Observation(log=OUR_EXIT.replace('"probe"', '"other"')),
        ],
    ),
    Example(
        "section 3",
        listing(lines_about_plugins=[*METRIC_LINES, 'grafana_x{quantile="0.5"} #'], names=["go_goroutines"]),
        seen(200, OUR_METRICS),
        [
            seen(200, OUR_METRICS.replace("grafana_build_info", "build_info")),
            seen(200, OUR_METRICS.replace('"200"} 1.0', '"200"} 2.0')),
        ],
    ),
]


def judged(example: Example, observation: Observation) -> tuple[Verdict, tuple[str, ...]]:
    judgement = judge(Situation(example.case, example.before, example.setup), observation, features=())
    return judgement.verdict, judgement.details


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rule)
def test_what_a_rule_demands_is_deliberate(example: Example) -> None:
    verdict, details = judged(example, example.good)
    assert verdict is Verdict.DELIBERATE, details
    assert any(reason.startswith(example.rule) for reason in details)


@pytest.mark.parametrize(
    ("example", "bad"),
    [(example, bad) for example in EXAMPLES for bad in example.bad],
    ids=lambda value: value.rule if isinstance(value, Example) else "",
)
def test_what_a_rule_does_not_demand_is_different(example: Example, bad: Observation) -> None:
    assert judged(example, bad)[0] is Verdict.DIFFERENT


@pytest.mark.parametrize(
    "example",
    [one for one in EXAMPLES if one.case.response and one.case.response.body_text],
    ids=lambda one: one.rule,
)
def test_where_a_rule_speaks_the_recorded_answer_is_different(example: Example) -> None:
    assert judged(example, as_recorded(example.case))[0] is Verdict.DIFFERENT


def test_every_rule_has_an_example() -> None:
    for rule in RULES:
        assert any(rule.reason.startswith(example.rule) for example in EXAMPLES), rule.reason


PLAIN_CASES = [
    query(200, results({"refId": "A"}), plugin_request=received(A), plugin_response=PLAIN),
    query(400, INVALID),
    query(200, results(), (A, {"refId": "B"}), plugin_request=received(A, {"refId": "B"})),
    query(400, '{"message":"Query missing datasourceId"}', ()),
    written(1),
    exchange("GET", "/api/health", 200, "{}"),
]


@pytest.mark.parametrize("case", PLAIN_CASES, ids=lambda case: case.request.path)
def test_no_rule_speaks_of_an_ordinary_case(case: Case) -> None:
    judgement = judge(Situation(case, (written(1),)), as_recorded(case))
    assert judgement.verdict is Verdict.AS_RECORDED, judgement.details


def test_only_what_6_3_did_with_a_client_s_read_only_source_is_not_asked() -> None:
    asked = exchange("POST", "/api/datasources", 200, "{}", {"name": "n", "readOnly": True})
    about = dataclasses.replace(exchange("DELETE", "/api/datasources/1", 403, "{}"), engine="6.3")
    assert is_about_client_made_read_only(Situation(about, (asked,)))
    assert not is_about_client_made_read_only(Situation(about, (written(1),)))
    assert not is_about_client_made_read_only(Situation(dataclasses.replace(about, engine="7.5.5"), (asked,)))
    assert not is_about_client_made_read_only(
        Situation(dataclasses.replace(query(200, "{}"), engine="6.3"), (asked,))
    )


def test_what_is_refused_is_refused_whatever_the_plugin_would_have_said() -> None:
    plugin = {"plugin_request": received(A, times=NONSENSE), "plugin_response": INFINITE}
    case = query(*UNSENT, since="nonsense", **plugin)
    said = seen(400, '{"message":"nonsense is no time"}')
    judgement = judge(Situation(case, (written(1),)), said)
    assert (judgement.verdict, len(judgement.details)) == (Verdict.DELIBERATE, 2)


def test_rules_about_times_and_about_data_sources_add_up() -> None:
    case = query(200, results({"refId": "A"}), plugin_request=received(A, times=FAR), plugin_response=PLAIN)
    before = (written(1), written(1, "PUT", {"name": "n", "url": "http://two"}))
    far = {**FAR, "toEpochMs": "9223372036854775807"}
    both = seen(200, results({"refId": "A"}), received(A, times=far, url="http://two"))
    assert judge(Situation(case, before), both).verdict is Verdict.DELIBERATE
    for only_one in (received(A, times=far), received(A, times=FAR, url="http://two")):
        wrong = seen(200, results({"refId": "A"}), only_one)
        assert judge(Situation(case, before), wrong).verdict is Verdict.DIFFERENT
