"""The running server: what it keeps, its plugins, its HTTP; opened in this order, closed in the other."""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from ipaddress import ip_address
from typing import Self

import httpx
import uvicorn
import uvloop
from starlette.types import ASGIApp

from graftage import __version__
from graftage.backend.context import DataSourceSettings
from graftage.backend.query import QueryRequest, Result
from graftage.config import Settings, meant_key
from graftage.errors import SettingsError
from graftage.host.discovery import Discovery, InstalledPlugin, discover
from graftage.host.host import Host, HostOptions
from graftage.host.host_query import HostQueryService
from graftage.host.launch_options import LaunchOptions, usual_socket_dir
from graftage.server.app import build_app
from graftage.server.body import DEFAULT_LIMIT
from graftage.server.callee import Callees
from graftage.server.caller import caller
from graftage.server.counted_plugins import CountedPlugins
from graftage.server.http_protocol import HttpProtocol
from graftage.server.listening import BACKLOG, listen, url_of
from graftage.server.live.streams import Streams
from graftage.server.metrics import Metrics, PluginBuild
from graftage.server.other_sources import other_sources
from graftage.server.routes import (
    data_sources,
    health,
    index,
    live,
    plugin_health,
    plugins,
    proxy,
    query,
    resources,
)
from graftage.server.routes import metrics as metrics_routes
from graftage.server.websocket_protocol import MESSAGE_LIMIT, WebSocketProtocol
from graftage.store.data_folder import Store, open_store
from graftage.store.database import check_database

# What clients are told: they choose by it how to speak, and we answer as this one does. Plugins are told of a
# younger one, see `HostOptions`.
REPORTED_VERSION = "7.5.5"

# How long requests that are under way may take when the server is asked to stop. After that they are cut off,
# so that whoever asked (a terminal, systemd, a container) does not turn to SIGKILL first.
STOP_SECONDS = 3

# Grafana never closes idle connections. This is longer than the pools of common clients keep theirs.
IDLE_SECONDS = 120

logger = logging.getLogger(__name__)


def run_server(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends the process at once, with status 128 + its number.

    announce: told the URL once requests are answered. Raises SettingsError when the server cannot be started
    with these settings. Whatever happens, no process of a plugin is left.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, announce))


async def _serve(settings: Settings, announce: Callable[[str], None]) -> None:
    with (
        _Signals() as signals,
        listen(settings.address) as listener,
        open_store(settings.data, database=settings.database_file, key_file=settings.key_file) as store,
    ):
        _warn_of_strangers(listener)
        _check_plugin_folders(settings)
        _make_folders(settings)
        discovery = discover(settings.plugin_folders)
        _tell_what_was_found(settings, discovery.plugins)
        async with (
            _host(settings, store, discovery) as host,
            proxy.connections() as transport,
            Streams(host, _callees(store, host)) as streams,
        ):
            url = url_of(listener, settings.address)
            logger.info("serving at %s", url, extra={"data": str(settings.data)})
            app = make_app(settings, store, host, transport, streams)
            server = _Server(_uvicorn_config(app), ready=lambda: announce(url), stopping=streams.close)
            signals.on_stop(server.stop)
            await server.serve(sockets=[listener])
    logger.info("stopped")


def make_app(
    settings: Settings, store: Store, host: Host, transport: httpx.AsyncBaseTransport, streams: Streams
) -> ASGIApp:
    """Every route, each with what it needs. transport: for calls to the servers behind data sources."""
    metrics = Metrics(
        reported_version=REPORTED_VERSION,
        own_version=__version__,
        plugins=[PluginBuild(plugin.id, plugin.type, plugin.json.info.version) for plugin in host.installed],
    )

    counted = CountedPlugins(host, metrics)
    callees = _callees(store, host)
    return build_app(
        [
            *index.routes(statuses=host.statuses),
            *health.routes(
                check_database=partial(check_database, store.database), reported_version=REPORTED_VERSION
            ),
            *metrics_routes.routes(metrics=metrics),
            *query.routes(
                ask=counted.query,
                sources=_Sources(store, metrics),
                caller=caller,
                query_seconds=settings.query_timeout,
                body_limit=DEFAULT_LIMIT,
            ),
            *data_sources.routes(store.data_sources, host.installed),
            *plugin_health.routes(
                plugins=counted, callees=callees, caller=caller, seconds=settings.query_timeout
            ),
            *resources.routes(
                plugins=counted, callees=callees, caller=caller, seconds=settings.query_timeout
            ),
            *live.routes(streams=streams, caller=caller),
            *plugins.routes(host),
            *proxy.routes(
                data_source=store.data_sources.find,
                has_plugin=frozenset(plugin.id for plugin in host.installed).__contains__,
                transport=transport,
                metrics=metrics,
                reported_version=REPORTED_VERSION,
            ),
        ],
        metrics=metrics,
    )


def _callees(store: Store, host: Host) -> Callees:
    return Callees(store.data_sources.find, store.data_sources.find_uid, host.installed)


class _Sources:
    """Data sources as queries look them up."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._sources = store.data_sources
        self._metrics = metrics

    def by_id(self, data_source_id: int) -> DataSourceSettings | None:
        self._metrics.data_source_look_ups.inc()
        found = self._sources.find(data_source_id)
        return found.settings() if found else None

    def by_uid(self, uid: str) -> DataSourceSettings | None:
        self._metrics.data_source_look_ups.inc()
        found = self._sources.find_uid(uid)
        return found.settings() if found else None


def _host(settings: Settings, store: Store, discovery: Discovery) -> Host:
    async def ask(
        plugin_id: str, request: QueryRequest, *, timeout: float, chain: tuple[str, ...]
    ) -> tuple[Result, ...]:
        return await host.query(plugin_id, request, timeout=timeout, chain=chain)

    ask_other = other_sources(store.data_sources.find_uid, ask, seconds=settings.query_timeout)
    host: Host = Host(
        discovery.plugins,
        _host_options(settings),
        problems=discovery.problems,
        host_query=HostQueryService(ask_other),
    )
    return host


def _host_options(settings: Settings) -> HostOptions:
    return HostOptions(
        launch=LaunchOptions(
            start_timeout=settings.start_timeout,
            stop_grace=settings.stop_grace,
            term_grace=settings.term_grace,
            socket_dir=settings.socket_dir or usual_socket_dir(),
            inherit_environment=settings.inherit_environment,
            log_line_limit=settings.log_line_limit,
            log_rate=settings.log_rate,
            log_burst=settings.log_burst,
        ),
        elsewhere={id_: one.elsewhere for id_, one in settings.plugin.items() if one.elsewhere},
        launched={id_: one.launch for id_, one in settings.plugin.items() if one.launch},
        checksums={id_: one.checksum for id_, one in settings.plugin.items() if one.checksum},
        plugin_settings={plugin_id: one.values for plugin_id, one in settings.plugin.items()},
        output_folder=settings.plugin_output,
    )


def _tell_what_was_found(settings: Settings, plugins: Sequence[InstalledPlugin]) -> None:
    for plugin in plugins:
        logger.info(
            "found plugin %s", plugin.id, extra={"plugin_id": plugin.id, "folder": str(plugin.folder)}
        )
    if not plugins:
        logger.warning("no plugins in %s", ", ".join(map(str, settings.plugin_folders)))
    found = {plugin.id for plugin in plugins}
    for plugin_id, own in sorted(settings.plugin.items()):
        if plugin_id not in found:
            close = difflib.get_close_matches(plugin_id, found, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            logger.warning("there are settings for plugin %s, which was not found%s", plugin_id, hint)
        for key in own.values:
            if meant := meant_key(key):
                logger.warning(
                    "the setting %s of plugin %s is none of the host's, and reaches the plugin's "
                    "environment; did you mean %s?",
                    key,
                    plugin_id,
                    meant,
                )


def _check_plugin_folders(settings: Settings) -> None:
    """The folders for plugins have to be there; our own is made. That of a single plugin can be missing: it
    is one problem among those of discovery, and keeps no other plugin from running.
    """
    for folder in settings.plugin_roots:
        if settings.plugins is None:
            with suppress(FileExistsError):
                folder.mkdir()
        if not folder.is_dir():
            raise SettingsError(f"the plugin folder {folder} does not exist; make it, or name another one")


def _make_folders(settings: Settings) -> None:
    """The folders in which plugins leave something. What they print may hold secrets, by mistake; sockets are
    in folders of their own, each as private as it has to be.
    """
    for key, folder, mode in (
        ("socket_dir", settings.socket_dir, 0o755),
        ("plugin_output", settings.plugin_output, 0o700),
    ):
        try:
            if folder is not None:
                folder.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"cannot make {folder}, the folder of {key}: {error.strerror}") from error


def _warn_of_strangers(listener: socket.socket) -> None:
    host = listener.getsockname()[0]
    if not ip_address(host).is_loopback:
        logger.warning(
            "listening on %s: there is no login yet, so whoever can reach this address can read, change and "
            "query every data source",
            host,
        )


def _uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MESSAGE_LIMIT,
        ws_ping_interval=None,  # clients of live data have pings of their own
        ws_per_message_deflate=False,  # as in Grafana: small messages, many of them
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn, leaving signals to us and saying when it is ready.

    stopping: called when it is asked to stop, to end what would last for ever.
    """

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator there
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()

    def stop(self) -> None:
        self._stopping()
        self.should_exit = True


class _Signals:
    """SIGTERM and SIGINT while the block runs: the first asks to stop, the second ends the process.

    Ending at once is safe: wardens see that this process is gone, and what was answered is on disk.
    """

    def __init__(self) -> None:
        self._asked = False
        self._stop: Callable[[], None] = lambda: None

    def on_stop(self, stop: Callable[[], None]) -> None:
        """What a first signal calls; called now if it came already."""
        self._stop = stop
        if self._asked:
            stop()

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._received, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _received(self, number: signal.Signals) -> None:
        if self._asked:
            os._exit(128 + number)
        self._asked = True
        logger.info("%s received, stopping", number.name)
        self._stop()
