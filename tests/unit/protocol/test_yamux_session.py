"""Yamux on real sockets: streams as transports, and peers that break the rules."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from graftage.protocol import yamux_session
from graftage.protocol.yamux import WINDOW
from graftage.protocol.yamux_frames import Flag, Header, Kind, Reason, decode_header, encode_header
from graftage.protocol.yamux_session import Session
from graftage.protocol.yamux_stream import YamuxStream
from support.wait import eventually_async

NONE = Flag(0)


class Talk(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = bytearray()
        self.errors: list[Exception | None] = []
        self.pauses = 0
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, YamuxStream)
        self.stream = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def pause_writing(self) -> None:
        self.pauses += 1

    def resume_writing(self) -> None:
        self.pauses -= 1

    def eof_received(self) -> bool:
        self.has_ended = True
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.errors.append(error)


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Session, Session, list[Talk]]]:
    """A client and a server; the list has what became of each stream that the client opened."""
    loop = asyncio.get_running_loop()
    client, server, taken = Session(client=True), Session(client=False), list[Talk]()

    def take(stream: YamuxStream) -> None:
        taken.append(Talk())
        stream.connect(taken[-1])

    server.take = take
    ours, theirs = socket.socketpair()
    await loop.create_connection(lambda: client, sock=ours)
    await loop.create_connection(lambda: server, sock=theirs)
    yield client, server, taken
    client.close()
    await asyncio.wait_for(asyncio.gather(client.ended, server.ended), 5)


@asynccontextmanager
async def rude_peer(*, take: bool = True) -> AsyncIterator[tuple[Session, socket.socket, list[Talk]]]:
    """A server's session whose peer is a bare socket. take: are the peer's streams taken."""
    session, taken = Session(client=False), list[Talk]()

    def accept(stream: YamuxStream) -> None:
        taken.append(Talk())
        stream.connect(taken[-1])

    if take:
        session.take = accept
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: session, sock=ours)
    with peer:
        yield session, peer, taken
        session.close()
        peer.close()
        await asyncio.wait_for(session.ended, 5)


def frame(kind: Kind, flags: Flag, stream: int, length: int) -> bytes:
    return encode_header(Header(kind, flags, stream, length))


async def test_streams_carry_data_beside_each_other() -> None:
    async with pair() as (client, _, taken):
        talks = [Talk() for _ in range(3)]
        streams = [client.open(talk) for talk in talks]
        for number, stream in enumerate(streams):
            stream.write(bytes([number]) * 1_000_000)
        await eventually_async(lambda: [len(talk.heard) for talk in taken] == [1_000_000] * 3)
        assert [set(talk.heard) for talk in taken] == [{0}, {1}, {2}]


async def test_a_stream_that_is_not_read_stops_itself_and_no_other() -> None:
    async with pair() as (client, _, taken):
        slow, quick = Talk(), Talk()
        client.open(slow).write(b"?")
        await eventually_async(lambda: taken)
        taken[0].stream.pause_reading()
        slow.stream.write(b"x" * 4 * WINDOW)
        assert slow.pauses == 1
        client.open(quick).write(b"y" * 4 * WINDOW)
        await eventually_async(lambda: len(taken) == 2 and len(taken[1].heard) == 4 * WINDOW)
        assert slow.stream.get_write_buffer_size() == 3 * WINDOW + 1
        taken[0].stream.resume_reading()
        await eventually_async(lambda: len(taken[0].heard) == 4 * WINDOW + 1)
        assert slow.pauses == 0


async def test_what_was_written_before_the_end_still_arrives() -> None:
    async with pair() as (client, _, taken):
        talk = Talk()
        stream = client.open(talk)
        stream.write(b"x" * 3 * WINDOW)
        stream.close()
        await eventually_async(lambda: taken and taken[0].has_ended)
        assert len(taken[0].heard) == 3 * WINDOW
        assert talk.errors == [None]
        taken[0].stream.close()
        await eventually_async(lambda: taken[0].errors == [None])


async def test_an_aborted_stream_is_reset_for_the_other_side() -> None:
    async with pair() as (client, _, taken):
        stream = client.open(Talk())
        await eventually_async(lambda: taken)
        stream.abort()
        await eventually_async(lambda: taken[0].errors)
        assert isinstance(taken[0].errors[0], ConnectionResetError)


async def test_a_stream_that_nobody_takes_is_refused() -> None:
    async with pair() as (_, server, _):
        talk = Talk()
        server.open(talk)  # the client takes none
        await eventually_async(lambda: talk.errors)
        assert isinstance(talk.errors[0], ConnectionResetError)


async def test_the_end_of_the_connection_is_the_end_of_all_streams() -> None:
    async with pair() as (client, server, taken):
        talk = Talk()
        client.open(talk)
        await eventually_async(lambda: taken)
        server.close()
        await eventually_async(lambda: talk.errors and taken[0].errors)
        assert client.ended.done()
        with pytest.raises(ConnectionResetError):
            client.open(Talk())


@pytest.mark.parametrize(
    ("junk", "complaint"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "expected yamux version 0, got 72"),
        (frame(Kind.DATA, Flag.SYN, 1, WINDOW + 1), "its credit allows 262144"),
        (frame(Kind.GO_AWAY, NONE, 0, Reason.INTERNAL_ERROR), "gave up on the connection"),
    ],
)
async def test_a_peer_that_breaks_the_rules_is_told_and_left(junk: bytes, complaint: str) -> None:
    async with rude_peer() as (session, peer, _):
        peer.sendall(junk)
        assert complaint in await asyncio.wait_for(asyncio.shield(session.ended), 5)


async def test_a_write_that_fails_before_a_frame_arrived_says_what_was_expected() -> None:
    session = Session(client=True)
    session.data_received(b"oops")
    session.connection_lost(BrokenPipeError(32, "Broken pipe"))
    assert session.ended.result() == (
        "expected frames of yamux, but only b'oops' arrived before the connection ended ([Errno 32] Broken "
        "pipe); does the other process speak yamux, as it said?"
    )
    with pytest.raises(ConnectionResetError, match="only b'oops' arrived"):
        session.open(Talk())


async def test_a_peer_that_asks_without_end_and_reads_no_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(yamux_session, "LONGEST_ANSWERS", 100_000)
    loop = asyncio.get_running_loop()
    async with rude_peer() as (session, peer, _):
        questions = frame(Kind.PING, Flag.SYN, 0, 1) * 5_000

        async def ask() -> None:
            while True:
                await loop.sock_sendall(peer, questions)

        with pytest.raises(OSError, match=r"[Rr]eset|[Pp]ipe"):
            await asyncio.wait_for(ask(), 10)
        assert "reads no answer" in await asyncio.wait_for(asyncio.shield(session.ended), 5)


async def test_a_flood_of_streams_is_refused_and_leaves_nothing() -> None:
    loop = asyncio.get_running_loop()
    async with rude_peer(take=False) as (session, peer, _):
        for start in range(1, 20_000, 2_000):
            flood = b"".join(
                frame(Kind.DATA, Flag.SYN, number, 1) + b"x" for number in range(start, start + 2_000, 2)
            )
            await loop.sock_sendall(peer, flood)
            await loop.sock_recv(peer, 1_000_000)
        answers = b""
        while len(answers) < 12:
            answers += await loop.sock_recv(peer, 1_000_000)
        assert decode_header(answers[:12]).flags is Flag.RST
        assert not session._streams


async def test_data_for_a_closed_stream_is_thrown_away_and_stopped_by_its_credit() -> None:
    loop = asyncio.get_running_loop()
    async with rude_peer() as (session, peer, taken):
        await loop.sock_sendall(peer, frame(Kind.WINDOW_UPDATE, Flag.SYN, 1, 0))
        await eventually_async(lambda: taken)
        taken[0].stream.close()
        sending = loop.sock_sendall(peer, frame(Kind.DATA, NONE, 1, WINDOW) + os.urandom(WINDOW))
        await asyncio.wait_for(sending, 5)
        await loop.sock_sendall(peer, frame(Kind.DATA, NONE, 1, 1))
        assert "credit allows 0" in await asyncio.wait_for(asyncio.shield(session.ended), 5)
        assert not taken[0].heard


async def test_a_peer_that_reads_nothing_cannot_keep_the_connection_open() -> None:
    async with rude_peer() as (session, _, _):
        for _ in range(10):
            session.open(Talk()).write(bytes(WINDOW))
        assert session.is_full
        session.close()
        await asyncio.wait_for(asyncio.shield(session.ended), 3)
