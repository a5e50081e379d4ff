"""A plugin served inside the process of a test suite, for a host that attaches to it.

No handshake is printed, no variable is looked at, and the process keeps its signals and its output. The host
gets to know where to attach by the data of `InProcess`, whose JSON form other products take as well.

Source: hashicorp/go-plugin, server.go (`ServeTestConfig`).
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TextIO

import grpc.aio

from graftage.protocol.broker import Broker
from graftage.protocol.channel import server_options
from graftage.protocol.messages import Output
from graftage.protocol.reattach import ReattachData
from graftage.protocol.wiring import Wiring
from graftage.sdk import services
from graftage.sdk.listener import UnixPlan, listen
from graftage.sdk.output import OutputBuffer
from graftage.sdk.plugin import Plugin
from graftage.sdk.running import CALL_SECONDS, STREAM_SECONDS, Application, UsesBroker


@dataclass(frozen=True, slots=True)
class InProcess:
    """What others learn of a plugin in test mode.

    reattach: what a host needs to attach, once the plugin answers. closed: set when it has ended.
    """

    reattach: asyncio.Future[ReattachData] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    closed: asyncio.Event = field(default_factory=asyncio.Event)


async def serve_in_process(
    target: object, mode: InProcess, *, version: int = 2, copy_output: bool = False, receive_bytes: int = -1
) -> None:
    """Serve until cancelled, or until a host sends `Shutdown`. target: as of `serve`.

    version: of the protocol. copy_output: let the host read what is printed meanwhile, too.
    """
    stopping = asyncio.Event()
    try:
        await _serve(Plugin(target), mode, stopping, version, receive_bytes, copy_output=copy_output)
    finally:
        if not mode.reattach.done():
            mode.reattach.cancel()
        mode.closed.set()


@asynccontextmanager
async def served_in_process(
    target: object, *, version: int = 2, copy_output: bool = False
) -> AsyncIterator[ReattachData]:
    """Serve as long as the block lasts; gives what a host needs to attach."""
    mode = InProcess()
    serving = asyncio.create_task(
        serve_in_process(target, mode, version=version, copy_output=copy_output), name="plugin in test mode"
    )
    try:
        either: set[asyncio.Future[Any]] = {serving, mode.reattach}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield mode.reattach.result()
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def _serve(
    application: Application,
    mode: InProcess,
    stopping: asyncio.Event,
    version: int,
    receive_bytes: int,
    *,
    copy_output: bool,
) -> None:
    outputs = {Output.STDOUT: OutputBuffer(), Output.STDERR: OutputBuffer()}
    with tempfile.TemporaryDirectory(prefix="graftage-") as folder:
        listen_there = partial(listen, where=UnixPlan(folder))
        broker = Broker(Wiring(listen_there), keep_seconds=math.inf)
        server = grpc.aio.server(options=server_options(receive_bytes=receive_bytes))
        server.add_generic_rpc_handlers(
            (
                *application.versions[version],
                services.health(stopping),
                services.controller(stopping.set),
                services.stdio(outputs),
                services.broker(lambda: broker, stopping),
            )
        )
        address = listen_there(server)
        if isinstance(application, UsesBroker):
            application.connected(broker)
        application.prepare()
        await server.start()
        try:
            with _teed(outputs) if copy_output else _untouched():
                mode.reattach.set_result(ReattachData(version, *address, pid=os.getpid(), test=True))
                await stopping.wait()
        finally:
            stopping.set()
            for output in outputs.values():
                output.close()
            ended = asyncio.ensure_future(server.stop(STREAM_SECONDS))
            await application.finish(CALL_SECONDS)
            await ended


@contextmanager
def _untouched() -> Iterator[None]:
    yield


@contextmanager
def _teed(outputs: dict[Output, OutputBuffer]) -> Iterator[None]:
    """Let what is printed inside the block go to the host as well."""
    before = sys.stdout, sys.stderr
    sys.stdout = _Tee(before[0], outputs[Output.STDOUT])
    sys.stderr = _Tee(before[1], outputs[Output.STDERR])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Tee:
    """A text stream, and a buffer that gets the same."""

    def __init__(self, stream: TextIO, output: OutputBuffer) -> None:
        self._stream = stream
        self._output = output

    def write(self, text: str) -> int:
        self._output.append(text.encode("utf-8", "replace"))
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
