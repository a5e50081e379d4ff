"""How a host runs plugins, and what it tells them of itself: in their environment, and in each call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from graftage.backend.context import PluginContext
from graftage.host.checksum import Checksum
from graftage.host.executable import go_architecture, go_system
from graftage.host.launch_options import LaunchOptions
from graftage.host.remote import RemotePlugin
from graftage.host.supervision import BackOff
from graftage.protocol.reattach import ReattachData

# Keys of a plugin's settings that Grafana does not pass on: they say where the plugin is.
NOT_PASSED_ON = frozenset({"path", "id"})

# What Grafana tells plugins when its operator has set nothing. Those of SQL databases fail a query without
# the four of theirs. Source: Grafana, conf/defaults.ini ([dataproxy], [sql_datasources]), and for the names
# grafana-plugin-sdk-go, backend/config.go.
USUAL_CONFIG: Mapping[str, str] = {
    "GF_CONCURRENT_QUERY_COUNT": "10",
    "GF_SQL_ROW_LIMIT": "1000000",
    "GF_SQL_MAX_OPEN_CONNS_DEFAULT": "100",
    "GF_SQL_MAX_IDLE_CONNS_DEFAULT": "100",
    "GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT": "14400",
}


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How plugins are launched and kept running, and what they are told of their host.

    By plugin id: elsewhere, those that the host does not start, but connects or attaches to; launched, what
    of `launch` is different; checksums, what the executable has to be; plugin_settings, what the plugin finds
    in its environment as ``GF_PLUGIN_<KEY>``, which may hold secrets.
    output_folder: where files with all that a plugin writes are kept, for each by its id; None for nowhere.
    version, edition: which Grafana a plugin is told that it runs in: one that knows all that plugins can do,
    as older ones are spared some types of data. app_url: where people reach the host, if that is known.
    grafana_config: further settings for all plugins, by their `GF_` names; they come with each call of
    protocol version 2.
    """

    launch: LaunchOptions = field(default_factory=LaunchOptions)
    back_off: BackOff = field(default_factory=BackOff)
    elsewhere: Mapping[str, RemotePlugin | ReattachData] = field(default_factory=dict)
    launched: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    checksums: Mapping[str, Checksum] = field(default_factory=dict)
    plugin_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    output_folder: Path | None = None
    version: str = "12.0.0"
    edition: str = "Open Source"
    app_url: str = ""
    grafana_config: Mapping[str, str] = field(default_factory=lambda: USUAL_CONFIG, repr=False)


def plugin_variables(plugin_id: str, options: HostOptions, host: Mapping[str, str]) -> dict[str, str]:
    """What a plugin finds in its environment besides the protocol's variables.

    host: the host's own environment; a variable of a setting's name that is not empty there wins over it.
    Source: Grafana, pkg/plugins/backendplugin/manager, `pluginSettings.ToEnv`.
    """
    settings = {
        f"GF_PLUGIN_{key.upper()}": value
        for key, value in options.plugin_settings.get(plugin_id, {}).items()
        if key not in NOT_PASSED_ON
    }
    own = {name: host.get(name) or value for name, value in settings.items()}
    return {"GF_VERSION": options.version, "GF_EDITION": options.edition} | own


def context_from(
    context: PluginContext, options: HostOptions, *, plugin_version: str, system: str, machine: str
) -> PluginContext:
    """The context of a call with what the host has to say: who it is, how it is set up, which plugin it is.

    system, machine: as `platform.system()` and `platform.machine()` name them.
    Source: grafana-plugin-sdk-go, backend/useragent; Grafana, pkg/services/pluginsintegration/pluginconfig.
    """
    address = {"GF_APP_URL": options.app_url} if options.app_url else {}
    return replace(
        context,
        plugin_version=plugin_version,
        user_agent=f"Grafana/{options.version} ({go_system(system)}; {go_architecture(machine)})",
        grafana_config={**address, **options.grafana_config, **context.grafana_config},
    )
