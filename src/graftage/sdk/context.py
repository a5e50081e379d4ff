"""Where a call comes from: the organisation, the user, and the Grafana that asks.

Source: grafana/grafana-plugin-sdk-go, backend/common.go (`PluginContext`), backend/config.go,
backend/useragent/useragent.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from graftage.backend.context import PluginContext, User
from graftage.sdk.folded import FoldedMapping
from graftage.sdk.headers import Headers
from graftage.sdk.host_query import NO_HOST, Host

PLUGIN_PREFIX = "GF_PLUGIN_"
FEATURES = "GF_INSTANCE_FEATURE_TOGGLES_ENABLE"
APP_URL = "GF_APP_URL"
VERSION = "GF_VERSION"
# What Grafana says unless its operator says something else; it hides nothing on purpose.
USUAL_DEFAULT_ERROR = "please inspect Grafana server log for details"

_USER_AGENT = re.compile(r"Grafana/([0-9]+\.[0-9]+\.[0-9]+\S*)")
_FIRST_NUMBER = re.compile(r"[0-9]+")
NO_HEADERS = Headers()
_FIRST_WITH_FRAMES_OF_TODAY = 9  # JSON columns are new in 9.0; enums were plain numbers until 9.4


class GrafanaConfig(FoldedMapping):
    """The settings that Grafana tells plugins, by their `GF_` names. They do not show: some are secret.

    Numbers are None where the host does not say them, or says something else.
    """

    __slots__ = ()

    @property
    def app_url(self) -> str:
        """Where Grafana itself is found; empty when it does not say."""
        return self.get(APP_URL, "")

    @property
    def features(self) -> frozenset[str]:
        return frozenset(name.strip() for name in self.get(FEATURES, "").split(",")) - {""}

    def feature(self, name: str) -> bool:
        """Is this feature toggle on?"""
        return name in self.features

    @property
    def concurrent_queries(self) -> int | None:
        """How many queries of one call the operator wants to run at the same time."""
        return self._number("GF_CONCURRENT_QUERY_COUNT")

    @property
    def sql_row_limit(self) -> int | None:
        return self._number("GF_SQL_ROW_LIMIT")

    @property
    def sql_max_open_connections(self) -> int | None:
        return self._number("GF_SQL_MAX_OPEN_CONNS_DEFAULT")

    @property
    def sql_max_idle_connections(self) -> int | None:
        return self._number("GF_SQL_MAX_IDLE_CONNS_DEFAULT")

    @property
    def sql_connection_seconds(self) -> int | None:
        """How long a connection to a database may live."""
        return self._number("GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT")

    @property
    def response_limit(self) -> int | None:
        """The most bytes that one HTTP answer read by a plugin may have."""
        return self._number("GF_RESPONSE_LIMIT")

    @property
    def hiding_error(self) -> str:
        """The text that stands for errors nobody foresaw, where the operator chose one; else empty."""
        text = self.get("GF_USER_FACING_DEFAULT_ERROR", "")
        return "" if text == USUAL_DEFAULT_ERROR else text

    def _number(self, name: str) -> int | None:
        try:
            return int(self.get(name, ""))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Where a call comes from.

    user: None when nobody asked, as for alert rules, and in version 1. config: Grafana's settings for
    plugins. grafana_version: such as `11.2.0`; None before Grafana 10.2, which does not say. plugin_config:
    what the operator set for this plugin in grafana.ini, by key in any case. tenant: which of several tenants
    asks. headers: what came along with the call. frames_of_grafana_7: does this host know only the types of
    data that Grafana 7 knew? host: through which other data sources can be asked.
    """

    org_id: int = 0
    plugin_id: str = ""
    plugin_version: str = ""
    user: User | None = None
    config: GrafanaConfig = field(default_factory=GrafanaConfig)
    grafana_version: str | None = None
    plugin_config: Mapping[str, str] = field(default_factory=FoldedMapping)
    namespace: str = ""
    user_agent: str = ""
    tenant: str = ""
    headers: Headers = field(default_factory=Headers)
    frames_of_grafana_7: bool = False
    host: Host = field(default=NO_HOST, compare=False)


_CURRENT: ContextVar[RequestContext] = ContextVar("graftage_request_context")


def current() -> RequestContext:
    """Where the call comes from that is being answered, in any task or thread that works on it.

    Raises LookupError where none is.
    """
    try:
        return _CURRENT.get()
    except LookupError:
        raise LookupError(
            "no call is being answered here; current() tells about one inside of handlers and __init__"
        ) from None


@contextmanager
def answering(context: RequestContext) -> Iterator[None]:
    """Make this context the current one inside the block."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def request_context(
    asked: PluginContext,
    *,
    environment: Mapping[str, str] = os.environ,
    tenant: str = "",
    headers: Headers = NO_HEADERS,
    host: Host = NO_HOST,
) -> RequestContext:
    """The context of a call as an author sees it. environment: of this process, which the host made."""
    told = {name: environment[name] for name in (APP_URL, FEATURES) if name in environment}
    version = _USER_AGENT.match(asked.user_agent)
    return RequestContext(
        org_id=asked.org_id,
        plugin_id=asked.plugin_id,
        plugin_version=asked.plugin_version,
        user=asked.user,
        config=GrafanaConfig(told | dict(asked.grafana_config)),
        grafana_version=version[1] if version else None,
        plugin_config=plugin_config(environment),
        namespace=asked.namespace,
        user_agent=asked.user_agent,
        tenant=tenant,
        headers=headers,
        frames_of_grafana_7=_knows_frames_of_grafana_7_only(asked, environment),
        host=host,
    )


def plugin_config(environment: Mapping[str, str]) -> FoldedMapping:
    """What the operator set in the section `[plugin.<id>]`, which comes as `GF_PLUGIN_<KEY>`."""
    return FoldedMapping(
        (name[len(PLUGIN_PREFIX) :].lower(), value)
        for name, value in environment.items()
        if name.startswith(PLUGIN_PREFIX)
    )


def _knows_frames_of_grafana_7_only(asked: PluginContext, environment: Mapping[str, str]) -> bool:
    """A host says its version with each call since 10.2, and as a variable since 7. One that does neither,
    and has no settings for plugins, is taken for 7."""
    said = _USER_AGENT.match(asked.user_agent)
    number = _FIRST_NUMBER.match(said[1] if said else environment.get(VERSION, ""))
    if number is None:
        return not asked.user_agent and not asked.grafana_config
    return int(number[0]) < _FIRST_WITH_FRAMES_OF_TODAY
