"""Connections carried over others: every byte, no more than fits, and nothing left in the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import uvloop

from graftage.errors import GraftageError
from graftage.protocol.certificate import make_identity
from graftage.protocol.forwarding import Dial, Forwarder, dialer
from graftage.protocol.socket_listener import SocketListener
from graftage.protocol.tls import credentials
from graftage.protocol.tls_connection import TlsConnection, secured
from graftage.protocol.yamux_session import Session
from support.nasty import open_descriptors
from support.wait import eventually_async

HOST, PLUGIN = make_identity(), make_identity()
LARGE = 20_000_000


class Talk(asyncio.Protocol):
    """Keeps what it hears, and writes no more than the connection takes."""

    def __init__(self, say: bytes = b"", times: int = 1) -> None:
        self.heard = bytearray()
        self.connected = False
        self.lost = False
        self.most_waiting = 0
        self._say, self._times = say, times
        self._goes_on = asyncio.Event()
        self._goes_on.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not of that class
        self.connected = True
        self._saying = asyncio.ensure_future(self._speak())

    async def _speak(self) -> None:
        for _ in range(self._times):
            await self._goes_on.wait()
            self.transport.write(self._say)

    def pause_writing(self) -> None:
        self._goes_on.clear()

    def resume_writing(self) -> None:
        self._goes_on.set()

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._saying.cancel()


@asynccontextmanager
async def listening(path: str, connection: Callable[[], asyncio.Protocol]) -> AsyncIterator[None]:
    listener = SocketListener()
    listener.add_insecure_port(f"unix:{path}")
    listener.serve(connection)
    try:
        yield
    finally:
        await listener.close()


@asynccontextmanager
async def bridge(
    folder: Path, far: Callable[[], asyncio.Protocol], *, tls: bool, multiplex: bool
) -> AsyncIterator[Forwarder]:
    """near -> a socket -> [TLS] [yamux] -> a socket -> far, as between a host and its plugin."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(listening(f"{folder}/far", far))
        inlet = Forwarder(dialer("unix", f"{folder}/far"))
        stack.push_async_callback(inlet.close)

        def incoming() -> asyncio.Protocol:
            context = credentials(PLUGIN, [HOST.certificate]).server
            return TlsConnection(context, inlet.incoming(), server_side=True) if tls else inlet.incoming()

        plugin, host = Session(client=False), Session(client=True)
        plugin.take = lambda stream: stream.connect(incoming())
        between = listening(f"{folder}/between", (lambda: plugin) if multiplex else incoming)
        await stack.enter_async_context(between)
        dial: Dial = dialer("unix", f"{folder}/between")
        if multiplex:
            await dial(host)
            stack.callback(host.close)
            dial = host.dial()
        if tls:
            dial = secured(dial, credentials(HOST, [PLUGIN.certificate]).client)
        outlet = Forwarder(dial)
        await stack.enter_async_context(listening(f"{folder}/near", outlet.incoming))
        stack.push_async_callback(outlet.close)
        yield outlet


async def both_ways(folder: Path, *, tls: bool, multiplex: bool) -> None:
    fars: list[Talk] = []

    def far() -> Talk:
        fars.append(Talk(b"f" * 100_000, LARGE // 100_000))
        return fars[-1]

    async with bridge(folder, far, tls=tls, multiplex=multiplex):
        near = Talk(b"n" * 100_000, LARGE // 100_000)
        await dialer("unix", f"{folder}/near")(near)
        await eventually_async(lambda: fars and len(near.heard) == len(fars[0].heard) == LARGE, timeout=20)
        assert near.heard == b"f" * LARGE
        assert fars[0].heard == b"n" * LARGE
        near.transport.close()
        await eventually_async(lambda: fars[0].lost)


@pytest.mark.parametrize("multiplex", [False, True], ids=["own connections", "one connection"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_everything_arrives_both_ways_at_once(tmp_path: Path, tls: bool, multiplex: bool) -> None:
    before = open_descriptors()
    await both_ways(tmp_path, tls=tls, multiplex=multiplex)
    await eventually_async(lambda: open_descriptors() <= before, timeout=2, what="no descriptor is left")


@pytest.mark.parametrize("multiplex", [False, True], ids=["own connections", "one connection"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_everything_arrives_under_uvloop_too(tmp_path: Path, tls: bool, multiplex: bool) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(both_ways(tmp_path, tls=tls, multiplex=multiplex))


@pytest.mark.parametrize("multiplex", [False, True], ids=["own connections", "one connection"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_who_is_not_read_is_not_read_from(tmp_path: Path, tls: bool, multiplex: bool) -> None:
    """What waits between two sides is bounded, so the one that writes has to wait."""
    fars: list[Talk] = []

    def far() -> Talk:
        fars.append(Talk(b"x" * 50_000, 1_000))
        return fars[-1]

    async with bridge(tmp_path, far, tls=tls, multiplex=multiplex):
        near = Talk()
        await dialer("unix", f"{tmp_path}/near")(near)
        near.transport.pause_reading()
        await eventually_async(lambda: fars and fars[0].connected)
        await eventually_async(lambda: not fars[0]._goes_on.is_set(), what="the writer is told to wait")
        await asyncio.sleep(0.1)
        assert fars[0].transport.get_write_buffer_size() > 0, "it waits still"
        assert not fars[0]._saying.done()
        near.transport.resume_reading()
        await eventually_async(lambda: len(near.heard) == 50_000_000)


async def test_what_arrives_before_there_is_a_far_side_is_kept(tmp_path: Path) -> None:
    fars: list[Talk] = []
    go_on = asyncio.Event()

    def far() -> Talk:
        fars.append(Talk())
        return fars[-1]

    async def slowly(protocol: asyncio.Protocol) -> None:
        await go_on.wait()
        await dialer("unix", f"{tmp_path}/far")(protocol)

    forwarder = Forwarder(slowly)
    async with (
        listening(f"{tmp_path}/far", far),
        listening(f"{tmp_path}/near", forwarder.incoming),
    ):
        near = Talk(b"early " * 200_000)
        await dialer("unix", f"{tmp_path}/near")(near)
        await asyncio.sleep(0.05)
        assert near.transport.get_write_buffer_size() > 0, "it is kept, but not all of it is read"
        go_on.set()
        await eventually_async(lambda: fars and len(fars[0].heard) == 1_200_000)
        near.transport.abort()
        await forwarder.close()


async def test_a_connection_that_cannot_be_carried_on_is_closed_and_the_reason_kept(tmp_path: Path) -> None:
    forwarder = Forwarder(dialer("unix", f"{tmp_path}/nowhere"))
    async with listening(f"{tmp_path}/near", forwarder.incoming):
        near = Talk()
        await dialer("unix", f"{tmp_path}/near")(near)
        await eventually_async(lambda: near.lost)
    assert forwarder.failed.is_set()
    assert "No such file" in forwarder.reason


async def test_closing_ends_what_is_carried_and_what_is_being_dialled(tmp_path: Path) -> None:
    async def never(_: asyncio.Protocol) -> None:
        dialled.append(True)
        await asyncio.Event().wait()

    dialled: list[bool] = []
    tasks = asyncio.all_tasks()
    forwarder = Forwarder(never)
    async with listening(f"{tmp_path}/near", forwarder.incoming):
        near = Talk()
        await dialer("unix", f"{tmp_path}/near")(near)
        await eventually_async(lambda: dialled, what="the dial")
        await forwarder.close()
        await eventually_async(lambda: near.lost)
    await eventually_async(lambda: asyncio.all_tasks() <= tasks, timeout=2, what="no task is left")


@pytest.mark.parametrize(
    ("network", "address", "complaint"),
    [
        ("udp", "127.0.0.1:1", "the network 'udp' is unknown"),
        ("tcp", "localhost", "has no port"),
        ("unix", "", "the socket's path is empty"),
    ],
)
def test_an_address_where_nothing_can_be_reached_is_an_error(
    network: str, address: str, complaint: str
) -> None:
    with pytest.raises(GraftageError, match=complaint):
        dialer(network, address)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_abstract_sockets_and_ports_are_dialled(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    async def dial_both() -> None:
        name = f"graftage-{tmp_path.name}-{id(loop_factory)}"
        with socket.socket(socket.AF_UNIX) as abstract, socket.socket() as tcp:
            abstract.bind(f"\0{name}")
            tcp.bind(("127.0.0.1", 0))
            for listener in (abstract, tcp):
                listener.listen()
            for network, address in (("unix", f"@{name}"), ("tcp", f":{tcp.getsockname()[1]}")):
                talk = Talk()
                await dialer(network, address)(talk)
                assert talk.connected
                if network == "tcp":
                    used = talk.transport.get_extra_info("socket")
                    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                talk.transport.abort()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(dial_both())
