from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from graftage.errors import CallFailed
from graftage.server.answers import json_answer
from graftage.server.metrics import Metrics, PluginBuild
from graftage.server.routes import metrics as metrics_routes
from graftage.server.routing import Route
from support.in_memory import app_with, client_of

GOLDEN = Path(__file__).parents[2] / "golden" / "http-api"


def metrics() -> Metrics:
    return Metrics(
        reported_version="7.5.5",
        own_version="1.2.3",
        plugins=[PluginBuild("probe-datasource", "datasource", "1.0.0")],
    )


def lines(counted: Metrics, start: str) -> set[str]:
    shown = counted.exposition().decode().splitlines()
    return {line for line in shown if line.startswith(start) and not line.endswith("_sum")}


async def test_the_page_is_prometheus_text() -> None:
    async with client_of(app_with(*metrics_routes.routes(metrics=metrics()))) as client:
        response = await client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "process_open_fds" in response.text
    assert "_created" not in response.text


def test_what_was_built_from_what_is_told() -> None:
    counted = metrics()
    (grafana,) = lines(counted, "grafana_build_info{")
    assert 'version="7.5.5"' in grafana
    (own,) = lines(counted, "graftage_build_info{")
    assert 'version="1.2.3"' in own
    assert lines(counted, "grafana_plugin_build_info{") == {
        'grafana_plugin_build_info{plugin_id="probe-datasource",plugin_type="datasource",version="1.0.0"} 1.0'
    }


def test_calls_to_plugins_are_ok_unless_they_fail_as_a_whole() -> None:
    counted = metrics()
    for _ in range(2):
        with counted.plugin_called("p", "queryData"):
            pass
    with pytest.raises(CallFailed), counted.plugin_called("broken", "checkHealth"):
        raise CallFailed("UNKNOWN", "x")

    assert lines(counted, "grafana_plugin_request_total{") == {
        'grafana_plugin_request_total{endpoint="queryData",plugin_id="p",status="ok"} 2.0',
        'grafana_plugin_request_total{endpoint="checkHealth",plugin_id="broken",status="error"} 1.0',
    }
    count = 'grafana_plugin_request_duration_milliseconds_count{endpoint="queryData",plugin_id="p"}'
    assert lines(counted, count) == {f"{count} 2.0"}


async def test_requests_are_counted_by_the_pattern_of_their_route() -> None:
    counted = metrics()

    async def handler(request: Request) -> Response:
        return json_answer("{}", int(request.path_params["id"]))

    app = app_with(
        Route("/api/x/:id", {"GET": handler}),
        Route("/api/proxy/:id", {"GET": handler}, bare=True),
        metrics=counted,
    )
    async with client_of(app) as client:
        for path in ("/api/x/200", "/api/x/200", "/api/x/418", "/api/proxy/404", "/api/unknown"):
            await client.get(path)
        await client.head("/api/x/200")

    assert lines(counted, "http_request_total{") == {
        'http_request_total{handler="/api/x/:id",method="get",statuscode="200"} 2.0',
        'http_request_total{handler="/api/x/:id",method="get",statuscode="418"} 1.0',
        'http_request_total{handler="/api/x/:id",method="head",statuscode="200"} 1.0',
        'http_request_total{handler="/api/proxy/:id",method="get",statuscode="404"} 1.0',
    }
    assert lines(counted, "grafana_api_response_status_total{") == {
        f'grafana_api_response_status_total{{code="{code}"}} {count}'
        for code, count in (("200", "3.0"), ("404", "0.0"), ("500", "0.0"), ("unknown", "1.0"))
    }
    assert 'grafana_proxy_response_status_total{code="404"} 1.0' in lines(counted, "grafana_proxy")


def test_calls_to_data_sources_servers_are_counted_under_a_name_that_prometheus_takes() -> None:
    counted = metrics()
    with counted.proxied("Probe DS", "GET") as call:
        assert lines(counted, "grafana_datasource_request_in_flight{") == {
            'grafana_datasource_request_in_flight{datasource="Probe_DS"} 1.0'
        }
        call.code, call.size = "200", 17
    with counted.proxied("Probe DS", "GET"):
        pass  # never answered
    assert lines(counted, "grafana_datasource_request_in_flight{") == {
        'grafana_datasource_request_in_flight{datasource="Probe_DS"} 0.0'
    }
    assert lines(counted, "grafana_datasource_request_total{") == {
        'grafana_datasource_request_total{code="200",datasource="Probe_DS",method="get"} 1.0'
    }
    assert 'grafana_datasource_response_size_bytes_sum{datasource="Probe_DS"} 17.0' in lines(
        counted, "grafana_datasource_response_size_bytes_sum"
    )
    assert lines(counted, "grafana_api_dataproxy_request_all_milliseconds_count") == {
        "grafana_api_dataproxy_request_all_milliseconds_count 2.0"
    }


def test_names_types_and_help_are_grafanas() -> None:
    """Every `# HELP` and `# TYPE` that Grafana shows for plugins and data sources."""
    cases = json.loads((GOLDEN / "basics.7.5.5.json").read_text())
    (case,) = (case for case in cases if case["name"] == "metrics")
    expected = {line for line in case["response"]["lines_about_plugins"] if line.startswith("# ")}
    assert expected
    assert expected <= set(metrics().exposition().decode().splitlines())
