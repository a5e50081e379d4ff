"""The link to a plugin, each way it can be made, against the plugin's side in this process."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.host import connection
from graftage.host.exit_status import ExitStatus
from graftage.host.link import Link, NotReached, open_link
from graftage.host.standing import until_answering
from graftage.protocol.broker import Broker, BrokerFailed
from graftage.protocol.certificate import make_identity
from graftage.protocol.conn_info import ConnInfo
from graftage.protocol.handshake import BadCertificate, Handshake
from graftage.protocol.wiring import Wiring
from support.nasty import open_descriptors
from support.plugin_side import plugin_side
from support.plugins.brokering import call, echo
from support.wait import eventually_async

HOST, STRANGER = make_identity(), make_identity()
LOG = logging.getLogger("test")

WAYS = pytest.mark.parametrize(
    ("tls", "multiplex"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["plain", "tls", "multiplexed", "tls multiplexed"],
)


def link_to(handshake: Handshake, *, tls: bool, multiplex: bool) -> Any:
    return open_link(
        handshake, receive_bytes=-1, identity=HOST if tls else None, multiplex=multiplex, folder=""
    )


async def answering(link: Link, *, timeout: float = 5) -> None:
    running: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
    await until_answering(link, running, timeout=timeout, logger=LOG)


async def why_not(handshake: Handshake, *, tls: bool, multiplex: bool, timeout: float = 5) -> str:
    """Why a link cannot be made."""
    with pytest.raises(NotReached) as refused:
        async with link_to(handshake, tls=tls, multiplex=multiplex) as link:
            await answering(link, timeout=timeout)
    return str(refused.value)


@WAYS
async def test_calls_and_brokered_connections_go_over_it_and_nothing_stays(
    tmp_path: Path, tls: bool, multiplex: bool
) -> None:
    async with plugin_side(tmp_path) as plugin, link_to(plugin.handshake, tls=False, multiplex=False) as link:
        await answering(link)  # opens what gRPC keeps for the whole process
    before, tasks = open_descriptors(), asyncio.all_tasks()
    async with (
        plugin_side(
            tmp_path, host=HOST if tls else None, multiplex=multiplex, handlers=[echo("main")]
        ) as plugin,
        link_to(plugin.handshake, tls=tls, multiplex=multiplex) as link,
    ):
        await answering(link)
        assert await call(link.channel, "interop.Echo/Say", "hi") == "main heard: hi"
        holding = asyncio.ensure_future(connection.hold_broker(link.channel, link.broker, LOG))
        for dialling, accepting in ((plugin.broker, link.broker), (link.broker, plugin.broker)):
            async with accepting.accept(4, [echo("other")]), dialling.dial(4) as channel:
                assert await call(channel, "interop.Echo/Say", "hello") == "other heard: hello"
        holding.cancel()
    try:
        await eventually_async(lambda: open_descriptors() <= before, timeout=3)
    except AssertionError:
        pytest.fail(f"left: {open_descriptors() - before}")
    await eventually_async(lambda: asyncio.all_tasks() <= tasks, timeout=3, what="no task is left")
    assert os.listdir(tmp_path) == []


@WAYS
async def test_a_broken_connection_to_a_socket_that_is_gone_is_noticed(
    tmp_path: Path, tls: bool, multiplex: bool
) -> None:
    async with (
        plugin_side(tmp_path, host=HOST if tls else None, multiplex=multiplex) as plugin,
        link_to(plugin.handshake, tls=tls, multiplex=multiplex) as link,
    ):
        await answering(link)
        watching = asyncio.ensure_future(connection.watch(link, patience=30))
        os.unlink(plugin.handshake.address)
        await asyncio.sleep(0.1)
        assert not watching.done(), "the connection stands"
        await plugin.server.stop(None)
        if plugin.front:
            await plugin.front.close()
        why = await asyncio.wait_for(watching, 5)
        assert "is gone" in why or "has ended" in why


@pytest.mark.parametrize("multiplex", [False, True])
async def test_a_plugin_with_another_certificate_than_it_announced_is_refused_at_once(
    tmp_path: Path, multiplex: bool
) -> None:
    async with plugin_side(tmp_path, host=HOST, multiplex=multiplex) as plugin:
        false = replace(plugin.handshake, certificate=STRANGER.certificate)
        began = asyncio.get_running_loop().time()
        why = await why_not(false, tls=True, multiplex=multiplex, timeout=30)
        assert "certificate verify failed" in why
        assert asyncio.get_running_loop().time() - began < 3


async def test_a_plugin_that_trusts_somebody_else_refuses_us(tmp_path: Path) -> None:
    async with plugin_side(tmp_path, host=STRANGER) as plugin:
        why = await why_not(plugin.handshake, tls=True, multiplex=False, timeout=30)
        assert f"the host cannot connect to unix {plugin.handshake.address}" in why


async def test_a_certificate_that_cannot_be_read_is_the_handshakes_fault() -> None:
    bad = Handshake(1, "unix", "/nowhere", certificate=b"\x30\x03abc")
    with pytest.raises(BadCertificate, match="the sixth field of the handshake is no certificate"):
        async with link_to(bad, tls=True, multiplex=False):
            pass


@pytest.mark.parametrize("multiplex", [False, True])
async def test_where_nobody_listens_there_is_no_link(tmp_path: Path, multiplex: bool) -> None:
    nowhere = Handshake(1, "unix", str(tmp_path / "none"), HOST.certificate)
    assert "No such file" in await why_not(nowhere, tls=True, multiplex=multiplex, timeout=30)


@pytest.mark.parametrize(
    ("tls", "multiplex", "complaint"),
    [
        (True, False, "SSL|TLS"),
        (False, True, "expected yamux version 0, got 72"),
        (True, True, "expected yamux version 0, got 72"),
    ],
)
async def test_rubbish_instead_of_tls_or_yamux_is_named(
    tmp_path: Path, tls: bool, multiplex: bool, complaint: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 1000)
        with suppress(OSError):
            await reader.read()  # a socket that is closed before it was read takes back what it wrote
        writer.close()

    server = await asyncio.start_unix_server(answer, tmp_path / "rubbish")
    handshake = Handshake(1, "unix", str(tmp_path / "rubbish"), HOST.certificate)
    why = await why_not(handshake, tls=tls, multiplex=multiplex, timeout=30)
    server.close()
    assert any(word in why for word in complaint.split("|"))


@WAYS
async def test_a_plugin_that_says_nothing_is_given_up_in_time(
    tmp_path: Path, tls: bool, multiplex: bool
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        handshake = Handshake(1, "unix", str(tmp_path / "silent"), HOST.certificate)
        why = await why_not(handshake, tls=tls, multiplex=multiplex, timeout=0.3)
        assert "within 0.3 s: nothing there answers as a gRPC server does" in why
        assert ("TLS was asked for" in why) == tls


async def test_a_silent_plugin_elsewhere_was_asked_for_tls_if_tls_is_set_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        handshake = Handshake(2, "unix", str(tmp_path / "silent"))
        for is_secured in (False, True):
            with pytest.raises(NotReached) as refused:
                async with open_link(
                    handshake, receive_bytes=-1, secure=lambda dial: dial, is_secured=is_secured
                ) as link:
                    await answering(link, timeout=0.2)
            assert ("TLS was asked for" in str(refused.value)) == is_secured


@pytest.mark.parametrize(
    ("sent", "words"), [(b"hello\n", r"only b'hello\\n' arrived before the"), (b"", "nothing")]
)
async def test_a_plugin_that_says_less_than_a_frame_of_yamux_is_told_what_was_expected(
    tmp_path: Path, sent: bytes, words: str
) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "short"):
        handshake = Handshake(1, "unix", str(tmp_path / "short"))
        why = await why_not(handshake, tls=False, multiplex=True, timeout=5)
    assert re.search(f"expected frames of yamux, but {words}", why)


def is_out_of_reach(channel: grpc.aio.Channel) -> bool:
    return channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.TRANSIENT_FAILURE


class TestBroker:
    @WAYS
    async def test_a_number_that_nobody_offers_fails_in_time(
        self, tmp_path: Path, tls: bool, multiplex: bool
    ) -> None:
        async with (
            plugin_side(tmp_path, host=HOST if tls else None, multiplex=multiplex) as plugin,
            link_to(plugin.handshake, tls=tls, multiplex=multiplex) as link,
        ):
            link.broker._wait_seconds = 0.2
            holding = asyncio.ensure_future(connection.hold_broker(link.channel, link.broker, LOG))
            words = (
                "nobody listens for connection 9" if multiplex else r"not offered connection 9 within 0\.2 s"
            )
            with pytest.raises(BrokerFailed, match=words):
                async with link.broker.dial(9):
                    pass
            holding.cancel()

    @WAYS
    async def test_what_is_agreed_on_ends_with_the_stream_and_a_new_stream_begins_anew(
        self, tmp_path: Path, tls: bool, multiplex: bool
    ) -> None:
        async with (
            plugin_side(tmp_path, host=HOST if tls else None, multiplex=multiplex) as plugin,
            link_to(plugin.handshake, tls=tls, multiplex=multiplex) as link,
        ):
            await answering(link)
            holding = asyncio.ensure_future(connection.hold_broker(link.channel, link.broker, LOG))
            async with link.broker.accept(1, [echo("host")]), plugin.broker.dial(1) as channel:
                assert await call(channel, "interop.Echo/Say", "a") == "host heard: a"
                if not multiplex:  # else the answer comes at once
                    waiting = asyncio.ensure_future(plugin.broker.dial(2).__aenter__())
                    await asyncio.sleep(0)
                holding.cancel()
                await eventually_async(lambda: plugin.broker._stream is None, what="the end of the stream")
                if not multiplex:
                    with pytest.raises(BrokerFailed, match="stream has ended"):
                        await asyncio.wait_for(waiting, 3)
                await eventually_async(lambda: is_out_of_reach(channel), what="the end of what was accepted")
            again = asyncio.ensure_future(connection.hold_broker(link.channel, link.broker, LOG))
            await eventually_async(lambda: plugin.broker._stream is not None, what="a new stream")
            async with plugin.broker.accept(1, [echo("plugin")]), link.broker.dial(1) as channel:
                assert await call(channel, "interop.Echo/Say", "c") == "plugin heard: c"
            again.cancel()

    @WAYS
    async def test_what_is_accepted_before_there_is_a_stream_is_offered_on_it_and_ends_with_it(
        self, tmp_path: Path, tls: bool, multiplex: bool
    ) -> None:
        async with (
            plugin_side(tmp_path, host=HOST if tls else None, multiplex=multiplex) as plugin,
            link_to(plugin.handshake, tls=tls, multiplex=multiplex) as link,
            link.broker.accept(1, [echo("host")]),
        ):
            await answering(link)
            holding = asyncio.ensure_future(connection.hold_broker(link.channel, link.broker, LOG))
            async with plugin.broker.dial(1) as channel:
                assert await call(channel, "interop.Echo/Say", "a") == "host heard: a"
                holding.cancel()
                await eventually_async(lambda: is_out_of_reach(channel), what="the end of what was accepted")

    async def test_a_message_that_is_none_ends_the_stream_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def rubbish(_: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            await context.write(b"\xff\xff")
            await asyncio.sleep(60)

        server = grpc.aio.server()
        method = {"StartStream": grpc.stream_stream_rpc_method_handler(rubbish)}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("plugin.GRPCBroker", method)])
        server.add_insecure_port(f"unix:{tmp_path}/socket")
        await server.start()
        async with link_to(Handshake(1, "unix", f"{tmp_path}/socket"), tls=False, multiplex=False) as link:
            await asyncio.wait_for(connection.hold_broker(link.channel, link.broker, LOG), 5)
        await server.stop(None)
        assert "the plugin's broker stream is not read any more" in caplog.text

    async def test_an_offer_of_an_impossible_address_is_an_error(self) -> None:
        broker = Broker(Wiring(lambda _: pytest.fail("nothing listens")))
        broker._receive(ConnInfo(1, "udp", "127.0.0.1:1"))
        with pytest.raises(BrokerFailed, match="the network 'udp' is unknown"):
            async with broker.dial(1):
                pass

    def test_numbers_are_counted_from_one(self) -> None:
        broker = Broker(Wiring(lambda _: pytest.fail("nothing listens")))
        assert [broker.next_id(), broker.next_id()] == [1, 2]
