"""Health of data sources and plugins, as plugins report it, and their metrics.

The routes by id and by plugin answer as Grafana 7.5 does, the one by uid as Grafana does since version 9.

Source: grafana 7.5, pkg/api/plugins.go (`CheckHealth`, `CollectPluginMetrics`,
`translatePluginRequestErrorToAPIError`) and pkg/api/datasources.go (`CheckDatasourceHealth`); grafana 9, the
same files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from graftage.backend.context import PluginContext, User
from graftage.backend.health import HealthReport, HealthRequest, HealthStatus
from graftage.data.canonical_json import Number, read_json
from graftage.data.go_json import write_ordered
from graftage.errors import GraftageError, NotFound, NotImplementedByPlugin, PluginNotRunning, for_log
from graftage.server.answers import Refused, json_answer, message_answer
from graftage.server.call_headers import call_headers
from graftage.server.callee import Callee, Callees, Missing
from graftage.server.departure import WhileConnected
from graftage.server.routing import Handler, Route

_ABSENT: Final[Mapping[Missing, tuple[int, str]]] = {
    Missing.SOURCE: (500, "Unable to load datasource metadata"),
    Missing.TYPE: (500, "Unable to find datasource plugin"),
    Missing.PLUGIN: (404, "Plugin not found"),
    Missing.BACKEND: (404, "Plugin not found"),
}
_ABSENT_BY_UID: Final = {**_ABSENT, Missing.SOURCE: (404, "Data source not found")}
_NOT_WELL: Final = 503
_NOT_WELL_BY_UID: Final = 400  # proxies and clients repeat a call that was answered with 503

# Bytes of JSON, which may take a hundred times as much memory while it is read and written anew.
DETAILS_LIMIT: Final = 1024 * 1024
# So much is read and written in a millisecond or two.
_SMALL_DETAILS: Final = 4 * 1024

_log = logging.getLogger(__name__)


class Plugins(Protocol):
    """The calls; `Host` has them."""

    async def check_health(
        self, plugin_id: str, request: HealthRequest, *, timeout: float
    ) -> HealthReport: ...

    async def collect_metrics(self, plugin_id: str, context: PluginContext, *, timeout: float) -> bytes: ...


def routes(
    *, plugins: Plugins, callees: Callees, caller: Callable[[Request], User | None], seconds: float
) -> list[Route]:
    """caller: who sends a request. seconds: how long a plugin may take."""

    def health(find: Callable[[str, User | None], Callee | Missing], key: str, *, by_uid: bool) -> Handler:
        async def check(request: Request) -> Response:
            found = find(request.path_params[key], caller(request))
            if isinstance(found, Missing):
                raise Refused(*(_ABSENT_BY_UID if by_uid else _ABSENT)[found])
            headers = call_headers(request.headers.items(), cookies=found.cookies)
            asked = HealthRequest(found.context, headers)
            try:
                with WhileConnected(request.receive):
                    report = await plugins.check_health(found.plugin_id, asked, timeout=seconds)
            except NotImplementedByPlugin as error:
                if by_uid or error.version == 1:
                    raise NotFound("Not found") from error
                report = HealthReport(HealthStatus.UNKNOWN, "Health check not implemented")
                return _shown(report, found, _NOT_WELL)
            except GraftageError as error:
                raise _failure(error, found, "Plugin health check failed") from error
            not_well = _NOT_WELL_BY_UID if by_uid else _NOT_WELL
            if len(report.details_json) <= _SMALL_DETAILS:
                return _shown(report, found, not_well)
            return await asyncio.to_thread(_shown, report, found, not_well)

        return check

    async def metrics(request: Request) -> Response:
        """GET /api/plugins/:id/metrics and /metrics/plugins/:id"""
        found = callees.plugin(request.path_params["id"], caller(request))
        if isinstance(found, Missing):
            raise Refused(*_ABSENT[found])
        try:
            with WhileConnected(request.receive):
                text = await plugins.collect_metrics(found.plugin_id, found.context, timeout=seconds)
        except NotImplementedByPlugin as error:
            raise NotFound("Not found") from error
        except GraftageError as error:
            raise _failure(error, found, "Failed to collect metrics") from error
        return Response(text, headers={"content-type": "text/plain"})

    by_id = health(callees.source_by_id, "id", by_uid=False)
    by_uid = health(callees.source_by_uid, "uid", by_uid=True)
    of_plugin = health(callees.plugin, "id", by_uid=False)
    return [
        Route("/api/datasources/:id/health", {"*": by_id}),
        Route("/api/datasources/uid/:uid/health", {"GET": by_uid}),
        Route("/api/plugins/:id/health", {"GET": of_plugin}),
        Route("/api/plugins/:id/metrics", {"GET": metrics}),
        Route("/metrics/plugins/:id", {"GET": metrics}),
    ]


def _shown(report: HealthReport, callee: Callee, not_well: int) -> Response:
    """The keys in their order; numbers of the details as doubles. not_well: the status of all but OK."""
    status = HealthStatus(report.status)
    body: dict[str, object] = {}
    try:
        if report.details_json:
            body["details"] = _read_details(report.details_json)
        text = write_ordered(body | {"message": report.message, "status": status.name})
    except (ValueError, RecursionError) as error:
        _log.warning(
            "plugin %s: the details of its health are not shown: %s", callee.plugin_id, for_log(error)
        )
        return message_answer("Failed to unmarshal detailed response from backend plugin", 500)
    return json_answer(text, 200 if status is HealthStatus.OK else not_well)


def _read_details(text: bytes) -> object:
    """An object, or None. Raises ValueError for anything else, and for what is too large to be of use."""
    if len(text) > DETAILS_LIMIT:
        raise ValueError(f"expected at most {DETAILS_LIMIT:,} bytes, got {len(text):,}")
    details = _as_doubles(read_json(text))
    if details is not None and not isinstance(details, dict):
        raise ValueError(f"expected a JSON object, got {type(details).__name__}")
    return details


def _as_doubles(value: object) -> object:
    """The value with its keys sorted, and each number as Go reads it."""
    match value:
        case Number():
            return float(value)
        case dict():
            return {key: _as_doubles(value[key]) for key in sorted(value)}
        case list():
            return [_as_doubles(element) for element in value]
        case _:
            return value


def _failure(error: GraftageError, callee: Callee, text: str) -> GraftageError:
    """What a caller is told; the log is told why."""
    _log.error("%s: plugin %s: %s", text, callee.plugin_id, for_log(error))
    return Refused(503, "Plugin unavailable") if isinstance(error, PluginNotRunning) else Refused(500, text)
