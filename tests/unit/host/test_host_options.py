"""What plugins are told of their host in each call."""

from __future__ import annotations

import pytest

from graftage.backend.context import PluginContext, User
from graftage.host.host_options import USUAL_CONFIG, HostOptions, context_from

ASKED = PluginContext(org_id=1, plugin_id="a", user=User("me"))


def told(options: HostOptions, context: PluginContext = ASKED, *, machine: str = "x86_64") -> PluginContext:
    return context_from(context, options, plugin_version="1.2.3", system="Linux", machine=machine)


def test_a_plugin_is_told_its_version_and_its_host_and_nothing_else_changes() -> None:
    assert told(HostOptions(version="7.5.5")) == PluginContext(
        org_id=1,
        plugin_id="a",
        user=User("me"),
        plugin_version="1.2.3",
        user_agent="Grafana/7.5.5 (linux; amd64)",
        grafana_config=USUAL_CONFIG,
    )


@pytest.mark.parametrize(("machine", "name"), [("aarch64", "arm64"), ("x86_64", "amd64"), ("armv7l", "arm")])
def test_the_processor_is_named_as_go_does(machine: str, name: str) -> None:
    assert told(HostOptions(), machine=machine).user_agent.endswith(f"(linux; {name})")


def test_the_usual_settings_let_sql_plugins_work() -> None:
    assert set(USUAL_CONFIG) > {
        "GF_SQL_ROW_LIMIT",
        "GF_SQL_MAX_OPEN_CONNS_DEFAULT",
        "GF_SQL_MAX_IDLE_CONNS_DEFAULT",
        "GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT",
    }


def test_the_address_is_told_where_there_is_one() -> None:
    assert "GF_APP_URL" not in told(HostOptions()).grafana_config
    assert told(HostOptions(app_url="http://x/")).grafana_config["GF_APP_URL"] == "http://x/"


def test_settings_are_the_operator_s_and_those_of_the_call_win() -> None:
    options = HostOptions(grafana_config={"GF_SQL_ROW_LIMIT": "7", "GF_RESPONSE_LIMIT": "8"})
    context = PluginContext(grafana_config={"GF_RESPONSE_LIMIT": "9"})
    assert told(options, context).grafana_config == {"GF_SQL_ROW_LIMIT": "7", "GF_RESPONSE_LIMIT": "9"}


def test_settings_do_not_show() -> None:
    options = HostOptions(grafana_config={"GF_PLUGIN_APP_CLIENT_SECRET": "s3cr3t"})
    assert "s3cr3t" not in repr(options)
