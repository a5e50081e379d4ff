"""Asking a plugin what a host asks."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from graftage.backend.context import DataSourceSettings, PluginContext, User
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import QueryRequest
from graftage.backend.resource import ResourceRequest
from graftage.backend.secrets import Secrets
from graftage.backend.stream import StreamAnswer, StreamRequest, StreamStatus
from graftage.errors import GraftageError
from graftage.host.client import PluginClient
from graftage.sdk.folded import FoldedMapping
from graftage.sdk.interval import parse_interval
from graftage.testing import asked
from graftage.testing.answers import Answer, ResourceAnswer, answer_of
from graftage.testing.running import Version, in_own_process, in_this_process

PLUGIN_ID = "tested-datasource"
USUAL_USER = User(login="tester", name="Tester", email="tester@example.org", role="Admin")
USER_AGENT = "Grafana/12.0.0 (linux; amd64)"
SECONDS = 30.0

_TAKEN = {"json", "secrets", "updated_ms"}
_ARGUMENTS = ("settings", "secrets", "config", "user", "version", "process")
_DATA_SOURCE = {field.name for field in fields(DataSourceSettings)} - _TAKEN


class StreamRefused(GraftageError):
    """The plugin says that nobody may listen, or that there is no such channel. status: which of these."""

    def __init__(self, path: str, status: int) -> None:
        reason = StreamStatus(status).name if status in set(StreamStatus) else f"status {status}"
        super().__init__(f"the plugin refuses the channel {path!r}: {reason}")
        self.status = status


@asynccontextmanager
async def plugin_client(
    served: object,
    *,
    settings: object = None,
    secrets: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
    user: User | None = USUAL_USER,
    version: Version = 2,
    process: bool = False,
    **data_source: Any,
) -> AsyncIterator[Client]:
    """A plugin with one data source, and the way to ask it; gone when the block ends.

    served: a class, an object or a query function; or the file of a plugin, which runs in a process of its
    own. process: start a class or a function as a host would; its module is imported there once more.
    settings: the jsonData, as a dict or of the author's own type. config: what Grafana tells plugins, by its
    `GF_` names. version: of the protocol. data_source: other fields of the data source, such as `url`.
    """
    run = in_own_process if process or isinstance(served, str | os.PathLike) else in_this_process
    if run is in_this_process and _is_function(served):
        from graftage.sdk.handlers import FunctionSource

        served = FunctionSource(served)  # type: ignore[arg-type]  # a function, as just asked
    context = _context(settings, secrets, config or {}, user, data_source)
    async with run(served, context.plugin_id, version) as plugin:
        yield Client(plugin, context)


class Client:
    """Asks one plugin about one data source. All calls raise what the host's own do: CallFailed when the call
    as a whole failed, NotImplementedByPlugin when the plugin lacks a handler."""

    def __init__(self, plugin: PluginClient, context: PluginContext) -> None:
        self.plugin = plugin
        self.context = context

    def reconfigured(
        self, *, settings: object = None, secrets: Mapping[str, str] | None = None, **data_source: Any
    ) -> Client:
        """The same plugin after somebody saved other settings: it gets a new object for them."""
        before = self.context.data_source
        assert before is not None, "a client is about a data source"
        given = {name: getattr(before, name) for name in _DATA_SOURCE} | data_source
        context = _context(settings, secrets, self.context.grafana_config, self.context.user, given)
        assert context.data_source is not None, "it was made with one"
        newer = replace(context.data_source, updated_ms=before.updated_ms + 1)
        return Client(self.plugin, replace(context, data_source=newer))

    async def query(
        self,
        *,
        last: str | timedelta | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
        interval: str | timedelta | None = None,
        max_data_points: int = 1000,
        headers: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
        **queries: object,
    ) -> dict[str, Answer]:
        """Ask queries in one call, as in `query(A={"queryType": "forecast"}, last="6h")`: answers by refId.

        queries: what the query's editor would store, as a dict or of the author's own type. last, start, end:
        two of them say which span; it is the last hour without. start, end: datetimes with a zone, or
        milliseconds since 1970. interval: that of the panel's width, unless given. headers: what comes along,
        such as `FromAlert`.
        """
        span = asked.time_range(last=last, start=start, end=end, now=asked.now())
        step = parse_interval(interval) if isinstance(interval, str) else interval
        request = QueryRequest(
            span,
            self.context,
            tuple(
                asked.query(ref_id, model, span, step, max_data_points) for ref_id, model in queries.items()
            ),
            headers or {},
        )
        results = await self.plugin.query(request, timeout=timeout)
        return {result.ref_id: answer_of(result) for result in results}

    async def check_health(
        self, *, headers: Mapping[str, str] | None = None, timeout: float = SECONDS
    ) -> HealthReport:
        return await self.plugin.check_health(HealthRequest(self.context, headers or {}), timeout=timeout)

    async def metrics(self, *, timeout: float = SECONDS) -> str:
        """The plugin's counters in Prometheus' text format. In this process, tests share them."""
        return (await self.plugin.collect_metrics(self.context, timeout=timeout)).decode()

    async def resource(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> ResourceAnswer:
        """Call one of the plugin's HTTP routes.

        url: a path, with a query string if need be. json: a body to be written as JSON.
        """
        sent = {name: (value,) for name, value in (headers or {}).items()}
        if json is not None:
            body = asked.encoded(json)
            sent.setdefault("Content-Type", ("application/json",))
        path = unquote(urlsplit(url).path).strip("/")
        request = ResourceRequest(self.context, path, method, url.lstrip("/"), sent, body)
        async with aclosing(self.plugin.call_resource(request, timeout=timeout)) as pieces:
            parts = [piece async for piece in pieces]
        if not parts:
            raise AssertionError(f"the plugin answered {method} {url} with nothing at all")
        first = {name: values[0] for name, values in parts[0].headers.items() if values}
        return ResourceAnswer(parts[0].code, FoldedMapping(first), [part.body for part in parts])

    async def stream(
        self, path: str, *, data: object = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Any, None]:
        """What a subscriber to the channel sees, decoded: first what it is greeted with, if anything, then
        what the plugin sends. Close it (`aclosing`) to leave. Raises StreamRefused."""
        request = self._stream_request(path, data, headers)
        answer = await self.plugin.subscribe_stream(request, timeout=SECONDS)
        if answer.status != StreamStatus.OK:
            raise StreamRefused(path, answer.status)
        if answer.data:
            yield json.loads(answer.data)
        async with aclosing(self.plugin.run_stream(request)) as packets:
            async for packet in packets:
                yield json.loads(packet)

    async def publish(
        self, path: str, data: object, *, headers: Mapping[str, str] | None = None
    ) -> StreamAnswer:
        """Send something into a channel, as a browser does."""
        return await self.plugin.publish_stream(self._stream_request(path, data, headers), timeout=SECONDS)

    def _stream_request(self, path: str, data: object, headers: Mapping[str, str] | None) -> StreamRequest:
        return StreamRequest(self.context, path, b"" if data is None else asked.encoded(data), headers or {})


def _context(
    settings: object,
    secrets: Mapping[str, str] | None,
    config: Mapping[str, str],
    user: User | None,
    data_source: Mapping[str, Any],
) -> PluginContext:
    if unknown := set(data_source) - _DATA_SOURCE:
        raise TypeError(
            f"there is no argument {', '.join(sorted(unknown))}; expected some of {', '.join(_ARGUMENTS)}, "
            f"and of what a data source has: {', '.join(sorted(_DATA_SOURCE))}"
        )
    usual: dict[str, Any] = {"id": 1, "org_id": 1, "name": "Tested", "uid": "tested", "type": PLUGIN_ID}
    source = DataSourceSettings(
        **(usual | dict(data_source)),
        json=asked.json_text(asked.as_dict(settings)),
        secrets=Secrets(secrets),
        updated_ms=1,
    )
    return PluginContext(
        org_id=source.org_id,
        plugin_id=source.type,
        plugin_version="0.0.0",
        user=user,
        data_source=source,
        grafana_config=config,
        user_agent=USER_AGENT,
    )


def _is_function(served: object) -> bool:
    import inspect

    return inspect.isfunction(served) or inspect.ismethod(served)
