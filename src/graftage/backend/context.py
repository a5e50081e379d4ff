"""Whom a call is about: the plugin, the organisation, the user, and the data source or app behind it.

Source: grafana/grafana-plugin-sdk-go, backend/common.go (`PluginContext`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graftage.backend.secrets import Secrets


@dataclass(frozen=True, slots=True)
class User:
    """Who asked. role: `Viewer`, `Editor`, `Admin` or `Grafana Admin`."""

    login: str = ""
    name: str = ""
    email: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class DataSourceSettings:
    """One configured data source, as a plugin gets to see it.

    json: the `jsonData` object as JSON text, as the plugin shall receive it (`{}` when nothing is set).
    updated_ms: when the settings were last changed, in milliseconds since 1970; 0 when that is not known.
    """

    id: int
    org_id: int
    name: str
    type: str
    url: str = ""
    json: str = "{}"
    secrets: Secrets = field(default_factory=Secrets)
    uid: str = ""
    user: str = ""
    database: str = ""
    basic_auth_enabled: bool = False
    basic_auth_user: str = ""
    updated_ms: int = 0
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What an organisation configured for an app plugin; the fields are those of a data source."""

    json: str = "{}"
    secrets: Secrets = field(default_factory=Secrets)
    updated_ms: int = 0
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What every call of protocol version 2 begins with.

    user: None for calls that nobody asked for, such as those of alert rules. data_source, app: None where the
    call is not about one. grafana_config: the host's settings for plugins by their `GF_` names; they may hold
    secrets and do not show. user_agent: the host, as `Grafana/<version> (<os>; <arch>)`; empty before Grafana
    10.2.
    """

    org_id: int = 0
    plugin_id: str = ""
    plugin_version: str = ""
    user: User | None = None
    data_source: DataSourceSettings | None = None
    app: AppSettings | None = None
    grafana_config: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_agent: str = ""
    api_version: str = ""
    namespace: str = ""


def context_of(source: DataSourceSettings, *, user: User | None = None) -> PluginContext:
    """The context of a call about one data source."""
    return PluginContext(org_id=source.org_id, plugin_id=source.type, user=user, data_source=source)
