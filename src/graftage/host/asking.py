"""What the plugins of a host can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractContextManager, aclosing
from dataclasses import replace
from typing import Protocol, TypeVar

from graftage.backend.admission import AdmissionRequest, Conversion, ConversionRequest, Verdict
from graftage.backend.context import PluginContext
from graftage.backend.health import HealthReport, HealthRequest
from graftage.backend.query import Chunk, QueryRequest, Result
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.host.calls import Metadata
from graftage.host.client import PluginClient
from graftage.host.running_plugin import RunningPlugin
from graftage.host.supervisor import Supervisor

Request = TypeVar(
    "Request",
    QueryRequest,
    HealthRequest,
    ResourceRequest,
    StreamRequest,
    AdmissionRequest,
    ConversionRequest,
)
Asked = TypeVar("Asked", contravariant=True)
Answer = TypeVar("Answer", covariant=True)
T = TypeVar("T")


class _Ask(Protocol[Asked, Answer]):
    """One of a client's calls."""

    def __call__(
        self, client: PluginClient, request: Asked, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[Answer]: ...


class _AskForPieces(Protocol[Asked, Answer]):
    """One of a client's calls that are answered in pieces."""

    def __call__(
        self, client: PluginClient, request: Asked, /, *, timeout: float | None, metadata: Metadata
    ) -> AsyncGenerator[Answer, None]: ...


class Asking(ABC):
    """Calls to plugins by their ids.

    Each is answered within `timeout` seconds, the wait for a plugin that is just being started included. What
    the host has to say of itself is added to its context.

    All raise NotFound, PluginNotRunning, PluginUnavailable, PluginTimeout, CallFailed, WireError, and
    NotImplementedByPlugin if the plugin lacks what is asked for, as one of protocol version 1 does with all
    but `query`. What comes in pieces raises at the first of them; to close the generator, or to cancel who
    reads it, cancels the call.
    """

    @abstractmethod
    def _supervised(self, plugin_id: str) -> Supervisor[RunningPlugin]:
        """Whoever keeps this plugin running. Raises NotFound."""

    @abstractmethod
    def _on_behalf(
        self, plugin: RunningPlugin, context: PluginContext, chain: tuple[str, ...]
    ) -> AbstractContextManager[Metadata]:
        """What a call brings along so that the plugin can ask other data sources until the block ends."""

    @abstractmethod
    def _told(self, plugin_id: str, context: PluginContext) -> PluginContext:
        """The context with what this plugin is told of its host."""

    async def query(
        self, plugin_id: str, request: QueryRequest, *, timeout: float, chain: tuple[str, ...] = ()
    ) -> tuple[Result, ...]:
        """A query that failed inside the plugin is not an exception: its result carries the error.

        chain: for a query that another plugin asks, the uids of the data sources through which it came.
        """
        return await self._ask(plugin_id, request, PluginClient.query, timeout, chain)

    def query_chunked(
        self, plugin_id: str, request: QueryRequest, *, timeout: float
    ) -> AsyncGenerator[Chunk, None]:
        """As `query`, with the rows of frames as the plugin gets them."""
        return self._ask_for_pieces(plugin_id, request, PluginClient.query_chunked, timeout)

    async def check_health(self, plugin_id: str, request: HealthRequest, *, timeout: float) -> HealthReport:
        return await self._ask(plugin_id, request, PluginClient.check_health, timeout)

    def call_resource(
        self, plugin_id: str, request: ResourceRequest, *, timeout: float
    ) -> AsyncGenerator[ResourcePart, None]:
        return self._ask_for_pieces(plugin_id, request, PluginClient.call_resource, timeout)

    async def collect_metrics(self, plugin_id: str, context: PluginContext, *, timeout: float) -> bytes:
        """Text in Prometheus' exposition format."""
        told = self._told(plugin_id, context)
        return await self._supervised(plugin_id).call(
            lambda plugin, seconds: plugin.client.collect_metrics(told, timeout=seconds), timeout=timeout
        )

    async def subscribe_stream(
        self, plugin_id: str, request: StreamRequest, *, timeout: float
    ) -> StreamAnswer:
        return await self._ask(plugin_id, request, PluginClient.subscribe_stream, timeout)

    async def publish_stream(self, plugin_id: str, request: StreamRequest, *, timeout: float) -> StreamAnswer:
        return await self._ask(plugin_id, request, PluginClient.publish_stream, timeout)

    def run_stream(self, plugin_id: str, request: StreamRequest) -> AsyncGenerator[bytes, None]:
        """What the plugin sends into a channel, JSON each, for as long as the plugin runs."""
        return self._ask_for_pieces(plugin_id, request, PluginClient.run_stream, None)

    async def validate_admission(
        self, plugin_id: str, request: AdmissionRequest, *, timeout: float
    ) -> Verdict:
        return await self._ask(plugin_id, request, PluginClient.validate_admission, timeout)

    async def mutate_admission(self, plugin_id: str, request: AdmissionRequest, *, timeout: float) -> Verdict:
        return await self._ask(plugin_id, request, PluginClient.mutate_admission, timeout)

    async def convert_objects(
        self, plugin_id: str, request: ConversionRequest, *, timeout: float
    ) -> Conversion:
        return await self._ask(plugin_id, request, PluginClient.convert_objects, timeout)

    async def _ask(
        self,
        plugin_id: str,
        request: Request,
        ask: _Ask[Request, T],
        timeout: float,
        chain: tuple[str, ...] = (),
    ) -> T:
        supervised = self._supervised(plugin_id)
        told = replace(request, context=self._told(plugin_id, request.context))

        async def ask_it(plugin: RunningPlugin, seconds: float) -> T:
            with self._on_behalf(plugin, told.context, chain) as metadata:
                return await ask(plugin.client, told, timeout=seconds, metadata=metadata)

        return await supervised.call(ask_it, timeout=timeout)

    async def _ask_for_pieces(
        self, plugin_id: str, request: Request, ask: _AskForPieces[Request, T], timeout: float | None
    ) -> AsyncGenerator[T, None]:
        supervised = self._supervised(plugin_id)
        told = replace(request, context=self._told(plugin_id, request.context))

        async def ask_it(plugin: RunningPlugin, seconds: float | None) -> AsyncGenerator[T, None]:
            with self._on_behalf(plugin, told.context, ()) as metadata:
                answers = ask(plugin.client, told, timeout=seconds, metadata=metadata)
                async with aclosing(answers):
                    async for piece in answers:
                        yield piece

        async with aclosing(supervised.pieces(ask_it, timeout=timeout)) as pieces:
            async for piece in pieces:
                yield piece
