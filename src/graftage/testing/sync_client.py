"""The same questions from tests that are plain functions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from graftage.backend.health import HealthReport
from graftage.testing.answers import Answer, ResourceAnswer
from graftage.testing.client import Client, plugin_client

T = TypeVar("T")


class SyncClient:
    """A plugin and the way to ask it; the arguments are those of `plugin_client` and of `Client`'s methods.

    Its event loop runs while it is asked, and not between. It is a context manager, or closed by `close`.
    """

    def __init__(self, served: object, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        try:
            opening = self._stack.enter_async_context(plugin_client(served, **options))
            self._client: Client = self._run(opening)
        except BaseException:
            self._runner.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._run(self._stack.aclose())
        finally:
            self._runner.close()

    def query(self, **asked: Any) -> dict[str, Answer]:
        return self._run(self._client.query(**asked))

    def check_health(self, **options: Any) -> HealthReport:
        return self._run(self._client.check_health(**options))

    def resource(self, method: str, url: str, **options: Any) -> ResourceAnswer:
        return self._run(self._client.resource(method, url, **options))

    def metrics(self) -> str:
        return self._run(self._client.metrics())

    def stream(self, path: str, **options: Any) -> Iterator[Any]:
        """Close the iterator to leave the channel."""
        packets = self._client.stream(path, **options)
        try:
            while True:
                try:
                    packet = self._run(packets.asend(None))
                except StopAsyncIteration:
                    return
                yield packet
        finally:
            self._run(packets.aclose())

    def _run(self, question: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(question)
