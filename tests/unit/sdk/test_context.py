"""Where a call comes from, as an author sees it."""

from __future__ import annotations

from typing import Any

import pytest

from graftage.backend.context import PluginContext, User
from graftage.sdk.context import USUAL_DEFAULT_ERROR, GrafanaConfig, answering, current, request_context
from graftage.sdk.headers import Headers


def context(environment: dict[str, str] | None = None, **told: Any) -> Any:
    return request_context(PluginContext(**told), environment=environment or {})


def test_everything_that_the_host_says_is_there() -> None:
    user = User("ada", "Ada", "ada@example.com", "Viewer")

    said = context(
        org_id=3,
        plugin_id="acme",
        plugin_version="1.2.3",
        user=user,
        user_agent="Grafana/11.2.0-pre (linux; amd64)",
        namespace="stacks-1",
    )

    assert (said.org_id, said.plugin_id, said.plugin_version) == (3, "acme", "1.2.3")
    assert (said.user, said.namespace, said.grafana_version) == (user, "stacks-1", "11.2.0-pre")


@pytest.mark.parametrize("user_agent", ["", "Grafana", "Grafana/latest", "curl/8.0.1"])
def test_a_host_that_does_not_say_its_version_has_none(user_agent: str) -> None:
    assert context(user_agent=user_agent).grafana_version is None


def test_config_is_read_by_its_meaning() -> None:
    config = context(
        grafana_config={
            "GF_APP_URL": "http://grafana/",
            "GF_INSTANCE_FEATURE_TOGGLES_ENABLE": "one, two,",
            "GF_CONCURRENT_QUERY_COUNT": "5",
            "GF_SQL_ROW_LIMIT": "1000000",
            "GF_SQL_MAX_OPEN_CONNS_DEFAULT": "100",
            "GF_SQL_MAX_IDLE_CONNS_DEFAULT": "20",
            "GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT": "14400",
            "GF_RESPONSE_LIMIT": "many",
        }
    ).config

    assert config.app_url == "http://grafana/"
    assert (config.feature("one"), config.feature("two"), config.feature("")) == (True, True, False)
    assert (config.concurrent_queries, config.sql_row_limit) == (5, 1_000_000)
    assert (config.sql_max_open_connections, config.sql_max_idle_connections) == (100, 20)
    assert (config.sql_connection_seconds, config.response_limit) == (14_400, None)
    assert config["gf_app_url"] == "http://grafana/"


def test_what_a_host_says_as_variables_only_is_there_as_well() -> None:
    environment = {"GF_APP_URL": "http://old/", "GF_INSTANCE_FEATURE_TOGGLES_ENABLE": "x"}

    said = context(environment, grafana_config={"GF_APP_URL": "http://new/"})

    assert said.config.app_url == "http://new/"
    assert said.config.feature("x")


@pytest.mark.parametrize(("said", "hidden"), [("", ""), (USUAL_DEFAULT_ERROR, ""), ("ask Bob", "ask Bob")])
def test_only_a_text_that_the_operator_chose_hides_errors(said: str, hidden: str) -> None:
    assert GrafanaConfig({"GF_USER_FACING_DEFAULT_ERROR": said}).hiding_error == hidden


def test_the_operators_settings_for_the_plugin_are_found_by_key() -> None:
    said = context({"GF_PLUGIN_STATION": "EDDB", "GF_PLUGIN_API_KEY": "hush", "HOME": "/root"})

    assert (said.plugin_config["station"], said.plugin_config["Api_Key"]) == ("EDDB", "hush")
    assert sorted(said.plugin_config) == ["api_key", "station"]


def test_nothing_that_may_be_secret_shows() -> None:
    said = context({"GF_PLUGIN_API_KEY": "hush"}, grafana_config={"GF_PLUGIN_APP_CLIENT_SECRET": "hush-hush"})

    assert "hush" not in repr(said)
    assert "GF_PLUGIN_APP_CLIENT_SECRET" in repr(said)
    assert "hush" not in repr(Headers({"Authorization": "hush"}))


@pytest.mark.parametrize(
    ("environment", "user_agent", "config", "expected"),
    [
        ({}, "", {}, True),
        ({"GF_VERSION": "7.5.5"}, "", {}, True),
        ({"GF_VERSION": "8.5.0"}, "", {}, True),
        ({"GF_VERSION": "9.0.0-beta1"}, "", {}, False),
        ({"GF_VERSION": "10.1.0"}, "", {"GF_APP_URL": "x"}, False),
        ({"GF_VERSION": "next"}, "", {}, True),
        ({}, "", {"GF_APP_URL": "x"}, False),
        ({}, "Grafana/13.0.0 (linux; amd64)", {}, False),
        ({"GF_VERSION": "7.5.5"}, "Grafana/13.0.0 (linux; amd64)", {}, False),
        ({}, "another host", {}, False),
    ],
)
def test_hosts_that_know_only_the_types_of_grafana_7_are_recognised(
    environment: dict[str, str], user_agent: str, config: dict[str, str], expected: bool
) -> None:
    said = context(environment, user_agent=user_agent, grafana_config=config)

    assert said.frames_of_grafana_7 is expected


def test_current_is_the_context_of_the_call_that_is_answered() -> None:
    outer, inner = context(org_id=1), context(org_id=2)

    with answering(outer):
        with answering(inner):
            assert current() is inner
        assert current() is outer
    with pytest.raises(LookupError, match="no call is being answered here"):
        current()


@pytest.mark.parametrize(
    ("sent", "name", "value"),
    [
        ({"http_X-Team": "red"}, "x-team", "red"),
        ({"http_X-Team": "red"}, "X-TEAM", "red"),
        ({"Authorization": "Bearer a"}, "authorization", "Bearer a"),
        ({"authorization": "Bearer a"}, "Authorization", "Bearer a"),
        ({"http_Authorization": "Bearer a"}, "Authorization", "Bearer a"),
        ({"Authorization": "bare", "http_Authorization": "prefixed"}, "Authorization", "bare"),
        ({"FromAlert": "true"}, "fromalert", "true"),
    ],
)
def test_headers_are_found_in_any_case_with_and_without_their_prefix(
    sent: dict[str, str], name: str, value: str
) -> None:
    headers = Headers(sent)

    assert headers[name] == value
    assert name in headers
    assert len(headers) == 1


def test_only_http_headers_may_be_sent_on() -> None:
    headers = Headers(
        {
            "http_X-Team": "red",
            "cookie": "a=b",
            "X-Id-Token": "t",
            "Authorization": "z",
            "FromAlert": "true",
            "X-Grafana-User": "ada",
        }
    )

    assert dict(headers.http) == {"X-Team": "red", "cookie": "a=b", "X-Id-Token": "t", "Authorization": "z"}
    assert headers.http["COOKIE"] == "a=b"
