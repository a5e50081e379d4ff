"""Asking the host's other data sources, where the host is one of ours.

Grafana has no such service; `Host.query` says so there. docs/protocol.md tells how it works.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from graftage.errors import GraftageError
from graftage.protocol import rpc

if TYPE_CHECKING:  # a plugin that asks nobody loads nothing for it
    import grpc.aio

    from graftage.backend.query import Result
    from graftage.data.frame import Frame
    from graftage.protocol.broker import Broker
    from graftage.sdk.query import TimeRange


_NUMBER = re.compile("[0-9]{1,10}")  # of 32 bits


class HostQueryFailed(GraftageError):
    """Another data source of the host could not be asked, or did not answer."""


class HostConnection:
    """The way to the host's service: made when it is first needed, and kept until `close`.

    broker: over which the host offers it.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._stack = AsyncExitStack()
        self._channels: dict[int, grpc.aio.Channel] = {}
        self._one_dial = asyncio.Lock()

    async def ask(self, number: int, message: bytes, *, timeout: float | None) -> bytes:
        """The answer to a message, from whom the host offers under this number. Raises HostQueryFailed."""
        import grpc.aio

        from graftage.protocol.broker import BrokerFailed

        try:
            channel = await self._channel(number)
            answer: bytes = await channel.unary_unary(rpc.ASK_HOST, None, None)(message, timeout=timeout)
            return answer
        except BrokerFailed as error:
            raise HostQueryFailed(f"the host cannot be asked: {error}") from error
        except grpc.aio.AioRpcError as error:
            raise HostQueryFailed(error.details() or error.code().name) from error

    async def close(self) -> None:
        self._channels.clear()
        await self._stack.aclose()

    async def _channel(self, number: int) -> grpc.aio.Channel:
        async with self._one_dial:  # the host offers the connection once
            if number not in self._channels:
                dialled = self._broker.dial(number)
                self._channels[number] = await self._stack.enter_async_context(dialled)
            return self._channels[number]


@dataclass(frozen=True, slots=True)
class Host:
    """The host, as one call sees it; after that call it answers no more.

    connection, number, token: the way there; None, 0 and empty where the host offers none. time_range: what
    is asked for unless said otherwise; None where the call is no query.
    """

    connection: HostConnection | None = field(default=None, repr=False)
    number: int = 0
    token: str = field(default="", repr=False)
    time_range: TimeRange | None = None

    async def query(
        self,
        uid: str,
        ref_id: str = "A",
        model: Mapping[str, Any] | None = None,
        *,
        query_type: str = "",
        time_range: TimeRange | None = None,
        interval: timedelta = timedelta(seconds=1),
        max_data_points: int = 100,
        timeout: float | None = None,
    ) -> tuple[Frame, ...]:
        """The frames with which the data source of this uid answers a query, within `timeout` seconds.

        It is asked with the rights of the user behind this call. model: what its query editor would store.
        time_range: needed where the call is no query. Raises HostQueryFailed, with the reason, also for a
        data source that this question came through.
        """
        asked = time_range or self.time_range
        if asked is None:
            raise ValueError("this call has no time range of its own; give query() one")
        if self.connection is None:
            raise HostQueryFailed(
                "this host does not let plugins ask other data sources; Graftage's does in protocol version 2"
            )
        from graftage.backend.host_query import HostQueryRequest
        from graftage.backend.query import Query as Asked
        from graftage.backend.query import TimeRange as AskedRange
        from graftage.protocol.host_query import encode_host_query
        from graftage.protocol.v2.data import decode_query_response

        query = Asked(
            ref_id=ref_id,
            json=json.dumps({**(model or {}), "refId": ref_id}),
            interval_ms=interval // timedelta(milliseconds=1),
            max_data_points=max_data_points,
            query_type=query_type,
        )
        request = HostQueryRequest(self.token, uid, AskedRange(asked.from_ms, asked.to_ms), (query,))
        answer = await self.connection.ask(self.number, encode_host_query(request), timeout=timeout)
        return _frames(uid, ref_id, decode_query_response(answer))


NO_HOST = Host()


def host_of_call(metadata: Iterable[tuple[str, str | bytes]], connection: HostConnection | None) -> Host:
    """The host as a call with this metadata sees it."""
    offered = next((value for name, value in metadata if name == rpc.HOST_QUERY_KEY), "")
    number, _, token = offered.partition(":") if isinstance(offered, str) else ("", "", "")
    if connection is None or not _NUMBER.fullmatch(number):
        return NO_HOST
    return Host(connection, int(number), token)


def _frames(uid: str, ref_id: str, results: Iterable[Result]) -> tuple[Frame, ...]:
    from graftage.backend.frames import frames_of

    result = next((result for result in results if result.ref_id == ref_id), None)
    if result is None:
        raise HostQueryFailed(f"data source {uid!r} did not answer query {ref_id!r}")
    if result.error:
        raise HostQueryFailed(f"data source {uid!r} answered query {ref_id!r} with an error: {result.error}")
    return frames_of(result)
