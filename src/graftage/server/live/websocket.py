"""A client's connection by WebSocket: commands in, replies and pushes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from graftage.backend.context import User
from graftage.server.live import centrifuge
from graftage.server.live.centrifuge import Command, Disconnect, OfChannel, read_commands, verdict
from graftage.server.live.outbox import Outbox
from graftage.server.live.refusal import TOO_MANY_REQUESTS, Refusal
from graftage.server.live.streams import Streams, Subscription

# Those that are under way at once for one client, one of them with its plugin. Grafana's `clientConcurrency`,
# in pkg/services/live/live.go, under which they may overtake each other.
MAX_PUBLICATIONS: Final = 12

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Times in seconds, Centrifuge's own by default (centrifugal/centrifuge, config.go).

    connect: until the first command. ping: between two pings. pong: until the answer to one.
    """

    connect: float = 15.0
    ping: int = 25
    pong: float = 10.0


class _Listener:
    """One subscription of a connection: it puts what is passed on into the connection's outbox."""

    def __init__(self, connection: Connection, channel: str) -> None:
        self.outbox = connection.outbox
        self.subscribing: asyncio.Task[None] | None = None
        self.subscription: Subscription | None = None
        self._connection = connection
        self._channel = channel
        self._before, self._behind = centrifuge.publication(channel)

    def pass_on(self, text: str) -> None:
        self.outbox.put(self._before, text, self._behind)

    def tell_failure(self, text: str) -> None:
        """Centrifuge's protocol has no word for it."""

    def dismiss(self) -> None:
        self._connection.unsubscribe(self._channel)
        self.outbox.put(centrifuge.unsubscribed(self._channel))

    def leave(self) -> None:
        if self.subscribing is not None:
            self.subscribing.cancel()
        if self.subscription is not None:
            self.subscription.leave()


class Connection:
    """One client, for as long as `serve` runs."""

    def __init__(
        self, socket: WebSocket, streams: Streams, user: User | None, patience: Patience | None = None
    ) -> None:
        self.outbox = Outbox(streams.options.queue, lambda: self._close(centrifuge.SLOW))
        self._socket = socket
        self._streams = streams
        self._user = user
        self._patience = patience or Patience()
        self._listeners: dict[str, _Listener] = {}
        self._is_connected = asyncio.Event()
        self._owed_pong: asyncio.Event | None = None
        self._publishing = asyncio.Lock()
        self._publications = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[Disconnect | None] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Returns when the client has gone, or is sent away."""
        await self._socket.accept()
        try:
            with self._streams.present(lambda: self._close(centrifuge.SHUTDOWN)):
                for work in (self._receive(), self._send(), self._watch()):
                    self._spawn(work)
                reason = await self._end
        finally:
            for channel in tuple(self._listeners):
                self.unsubscribe(channel)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if reason is not None and self._socket.application_state is WebSocketState.CONNECTED:
            _log.log(
                logging.DEBUG if reason is centrifuge.SHUTDOWN else logging.INFO,
                "a client of live data is sent away: %s",
                reason.reason,
                extra={"client": self._socket.client.host if self._socket.client else ""},
            )
            with suppress(WebSocketDisconnect):
                await self._socket.close(reason.code, reason.reason)

    def unsubscribe(self, channel: str) -> None:
        """Nothing of the channel is sent from now on."""
        if (listener := self._listeners.pop(channel, None)) is not None:
            listener.leave()

    def _close(self, reason: Disconnect | None) -> None:
        if not self._end.done():
            self._end.set_result(reason)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, WebSocketDisconnect):
            self._close(None)
        elif error is not None:
            _log.error("serving a client of live data broke off", exc_info=error)
            self._close(centrifuge.SERVER_ERROR)

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._close(None)
                return
            text = message.get("text") or (message.get("bytes") or b"").decode("utf-8", "replace")
            commands = read_commands(text)
            if isinstance(commands, Disconnect):
                self._close(commands)
                return
            for command in commands:
                self._handle(command)

    async def _send(self) -> None:
        while True:
            await self._socket.send_text("\n".join(await self.outbox.take()))

    async def _watch(self) -> None:
        """Close the connection of a client that does not say that it is there."""
        if not await _came(self._is_connected, self._patience.connect):
            self._close(centrifuge.STALE)
            return
        while True:
            await asyncio.sleep(self._patience.ping)
            pong = self._owed_pong = asyncio.Event()
            self.outbox.put(centrifuge.PING)
            if not await _came(pong, self._patience.pong):
                self._close(centrifuge.NO_PONG)
                return

    def _handle(self, command: Command) -> None:
        wrong = verdict(
            command,
            is_connected=self._is_connected.is_set(),
            owes_pong=self._owed_pong is not None,
            channels=self._listeners,
        )
        match wrong:
            case Disconnect():
                self._close(wrong)
            case Refusal():
                self.outbox.put(centrifuge.refused(command.id, wrong))
            case None:
                self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        key, asked = command.asked()
        match key:
            case "connect":
                self._is_connected.set()
                self.outbox.put(centrifuge.connected(command.id, str(uuid4()), self._patience.ping))
            case "subscribe":
                listener = self._listeners[asked.channel] = _Listener(self, asked.channel)
                listener.subscribing = self._spawn(self._subscribe(command.id, asked, listener))
            case "unsubscribe":
                self.unsubscribe(asked.channel)
                self.outbox.put(centrifuge.done(command.id, key))
            case "publish" if self._publications == MAX_PUBLICATIONS:
                self.outbox.put(centrifuge.refused(command.id, TOO_MANY_REQUESTS))
            case "publish":
                self._publications += 1
                self._spawn(self._publish(command.id, asked))
            case "" if self._owed_pong is not None:
                self._owed_pong.set()
                self._owed_pong = None

    async def _subscribe(self, number: int, asked: OfChannel, listener: _Listener) -> None:
        answer = await self._streams.subscribe(asked.channel, bytes(asked.data), self._user, listener)
        listener.subscribing = None
        if isinstance(answer, Refusal):
            del self._listeners[asked.channel]
            self.outbox.put(centrifuge.refused(number, answer))
            return
        listener.subscription = answer
        first, *others = answer.opening or [""]
        self.outbox.put(centrifuge.subscribed(number, first))
        for text in others:
            listener.pass_on(text)

    async def _publish(self, number: int, asked: OfChannel) -> None:
        try:
            async with self._publishing:
                refusal = await self._streams.publish(asked.channel, bytes(asked.data), self._user)
        finally:
            self._publications -= 1
        reply = centrifuge.refused(number, refusal) if refusal else centrifuge.done(number, "publish")
        self.outbox.put(reply)


async def _came(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
