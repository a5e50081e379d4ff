"""Settings of HTTP data sources, and calls that are answered with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from graftage.backend.secrets import Secrets
from graftage.sdk.context import GrafanaConfig, RequestContext
from graftage.sdk.headers import Headers
from graftage.sdk.settings import Settings


def settings(
    values: Mapping[str, Any] | None = None, secrets: Mapping[str, str] | None = None, **others: Any
) -> Settings[Any]:
    """values: the jsonData."""
    return Settings(
        **{"id": 1, "org_id": 1, "name": "Weather", "type": "acme-weather-datasource", "uid": "w1"} | others,
        json={},
        json_text=json.dumps(values or {}),
        secrets=Secrets(secrets),
    )


def call(headers: Mapping[str, str] | None = None, config: Mapping[str, str] | None = None) -> RequestContext:
    """The context of a call from a Grafana of today."""
    return RequestContext(
        plugin_id="acme-weather-datasource",
        plugin_version="1.2.3",
        user_agent="Grafana/12.0.0 (linux; amd64)",
        config=GrafanaConfig(config or {}),
        headers=Headers(headers or {}),
    )
