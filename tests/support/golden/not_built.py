"""What does not exist yet, so that its recordings differ. Reviewed with every feature that comes: its line
goes.

A line can hide nothing that exists: a route counts as absent only while the server says so, and everything
else is asked about only after the answer turned out to be different.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from support.golden.cases import Case
from support.golden.found_plugins import found_plugins
from support.golden.observation import Observation
from support.golden.our_sources import written_source
from support.golden.situation import Situation, known_ids
from support.golden.version_2 import login


@dataclass(frozen=True, slots=True)
class Feature:
    """name: what is missing. covers: does its absence explain that this case differs?"""

    name: str
    covers: Callable[[Situation, Observation], bool]


def _is_absent(seen: Observation) -> bool:
    """Does the server say that it has no such route?"""
    answer = seen.answer
    if answer is None or answer.status != 404:
        return False
    try:
        return bool(json.loads(answer.text) == {"message": "Not found"})
    except ValueError:
        return answer.content_type == "text/html; charset=UTF-8"


def _route(name: str, pattern: str, *, then: str = "$.") -> Feature:
    """A route that is absent. then: paths whose answers depend on what it would have changed."""
    own, dependent = re.compile(pattern), re.compile(then)

    def covers(situation: Situation, seen: Observation) -> bool:
        if own.fullmatch(situation.route) and _is_absent(seen):
            return True
        return name in situation.unbuilt and dependent.match(situation.route) is not None

    return Feature(name, covers)


def _logs(name: str, pattern: str) -> Feature:
    """What the log says about something that does not exist."""
    lines = re.compile(pattern)
    return Feature(name, lambda situation, seen: any(map(lines.search, situation.case.log or ())))


def _has_route_of_its_own(situation: Situation, seen: Observation) -> bool:
    """Does the plugin of the data source say where this path leads?"""
    found = re.fullmatch("/api/datasources/proxy/([0-9]+)/(.*)", situation.route)
    written = situation.last_write(int(found[1])) if found else None
    plugin = (
        found_plugins(situation.setup).get((written_source(written) or {}).get("type", ""))
        if written
        else None
    )
    prefixes = [str(route.get("path", "")) for route in (plugin or {}).get("routes", ())]
    return found is not None and any(found[2].startswith(prefix) for prefix in prefixes)


def _lacks_core_source(situation: Situation, seen: Observation) -> bool:
    """Is the data source of a type that the recorded server knew without a plugin of ours?"""
    found = re.fullmatch("/api/datasources/proxy/([0-9]+)/.*", situation.route)
    written = situation.last_write(int(found[1])) if found else None
    kind = (written_source(written) or {}).get("type") if written else None
    return kind in {"prometheus", "elasticsearch", "influxdb"}


def _leaves_unsigned_out(situation: Situation, seen: Observation) -> bool:
    """Did the recorded server list fewer plugins than were installed, saying which are signed?"""
    listed = situation.case.response.parts.get("plugins", ()) if situation.case.response else ()
    return any(isinstance(one, list) for one in listed) and len(listed) < len(situation.setup.plugins)


CREDENTIALS = "credentials and roles"


def _needs_credentials(situation: Situation, seen: Observation) -> bool:
    """Was somebody refused or sent to the login page, or does it show that somebody was not? Or was a plugin
    told who asked?
    """
    headers = situation.case.request.headers if situation.case.request else ()
    matters = situation.setup.anonymous_role != "Admin" or any(
        name.lower() == "authorization" for name, _ in headers
    )
    if login(situation.case.plugin_request):
        return True
    refused = situation.status in {302, 401, 403}
    # A write that the recorded server refused went through here: what is listed, and what has an id, differs.
    shows_it = not situation.is_query or not set(situation.data_source_ids) <= known_ids(situation.before)
    return matters and (refused or (CREDENTIALS in situation.unbuilt and shows_it))


def _needs_provisioning(situation: Situation, seen: Observation) -> bool:
    """Is it about a data source that only the files make, or about how the server read them?"""
    if not any(name.startswith("provisioning/datasources/") for name in situation.setup.files):
        return False
    case = situation.case
    if case.request is None:
        refused = case.exit_code is not None and seen.exit_code is None
        return refused or any("rovisioning" in line for line in case.log or ())
    shown = {*situation.data_source_ids, *_shown_ids(case)}
    is_read_only = "read-only" in (situation.message or "")
    return is_read_only or not shown <= known_ids(situation.before)


def _shown_ids(case: Case) -> set[int]:
    """The data sources that the recorded answer shows."""
    body = case.response.json() if case.response else None
    entries = body if isinstance(body, list) else [body]
    return {entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), int)}


def _names_user(situation: Situation, seen: Observation) -> bool:
    """Was the server behind a data source told who asks, because the settings say so?"""
    wanted = situation.setup.ini.get("dataproxy", {}).get("send_user_header") == "true"
    headers = [name for one in situation.case.upstream_requests or () for name, _ in one.get("headers", ())]
    return wanted and "X-Grafana-User" in headers


def _keeps_to_whitelist(situation: Situation, seen: Observation) -> bool:
    """Was a server refused that the settings do not list?"""
    listed = "data_source_proxy_whitelist" in situation.setup.ini.get("security", {})
    return listed and situation.status == 403 and situation.route.startswith("/api/datasources/proxy/")


def _shows_cause(situation: Situation, seen: Observation) -> bool:
    body = situation.case.response.json() if situation.case.response else None
    return situation.setup.app_mode == "development" and isinstance(body, dict) and "error" in body


FEATURES: Sequence[Feature] = (
    Feature("routes of plugins in the proxy", _has_route_of_its_own),
    Feature("data sources that come with Grafana", _lacks_core_source),
    _logs("log of the proxy", "http: proxy error|logger=data-proxy-log"),
    _route("plugin settings", "/api/plugins/[^/]+/settings", then="/api/plugins"),
    _route("plugin documents and dashboards", "/api/plugins/[^/]+/(markdown/.*|dashboards)"),
    _route("plugin errors", "/api/plugins/errors"),
    _route("plugin files", "/public/.*"),
    _route("settings of the front end", "/api/frontend/settings"),
    _route("API keys", "/api/auth/keys(/.*)?", then="/api/auth/keys"),
    _route("reload of provisioning", "/api/admin/provisioning/.*", then="/api/(datasources|tsdb)"),
    _logs("data source health in the log", 'msg="Plugin unavailable"'),
    _logs("settings of apps in the log", "Plugin state changed|Syncing plugin dashboards"),
    _logs("signatures of plugins in the log", "Failed to validate plugin signature"),
    Feature("signatures of plugins", _leaves_unsigned_out),
    _logs("what another client library makes of the answers", "^(ok  |FAIL) "),
    Feature(CREDENTIALS, _needs_credentials),
    Feature("provisioning files", _needs_provisioning),
    Feature("the user's name in the proxy", _names_user),
    Feature("the proxy's list of servers", _keeps_to_whitelist),
    Feature("causes in development mode", _shows_cause),
)
