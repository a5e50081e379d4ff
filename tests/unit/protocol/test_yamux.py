"""Yamux without a network: what each frame means, and that no peer can make it hold what it did not allow."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.protocol.yamux import (
    BACKLOG,
    LARGEST_FRAME,
    STREAMS,
    WINDOW,
    CreditArrived,
    DataArrived,
    Event,
    Finished,
    GoneAway,
    Multiplexer,
    Opened,
    Reset,
)
from graftage.protocol.yamux_frames import (
    Flag,
    Header,
    Kind,
    Reason,
    YamuxError,
    decode_header,
    encode_header,
)

SETTINGS = settings(deadline=None, derandomize=True)
NONE = Flag(0)


def frame(kind: Kind, flags: Flag, stream: int, length: int = 0, payload: bytes = b"") -> bytes:
    return encode_header(Header(kind, flags, stream, length)) + payload


def data(stream: int, payload: bytes, flags: Flag = NONE) -> bytes:
    return frame(Kind.DATA, flags, stream, len(payload), payload)


def opened(stream: int) -> bytes:
    return frame(Kind.WINDOW_UPDATE, Flag.SYN, stream)


def sent(multiplexer: Multiplexer) -> bytes:
    """What it has to send; it has sent it then."""
    taken = bytes(multiplexer.leaving)
    multiplexer.leaving.clear()
    return taken


def frames(data: bytes) -> list[Header]:
    """The headers in what was sent."""
    found = []
    while data:
        header = decode_header(data[:12])
        found.append(header)
        data = data[12 + (header.length if header.kind is Kind.DATA else 0) :]
    return found


def hear(multiplexer: Multiplexer, *parts: bytes) -> list[Event]:
    return [event for part in parts for event in multiplexer.receive(part)]


@pytest.fixture
def server() -> Multiplexer:
    return Multiplexer(client=False)


def test_a_frame_has_twelve_bytes_in_network_order() -> None:
    header = Header(Kind.WINDOW_UPDATE, Flag.SYN | Flag.FIN, 0x01020304, 0x05060708)
    assert encode_header(header) == bytes([0, 1, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8])
    assert decode_header(encode_header(header)) == header


def test_a_client_opens_odd_streams_and_a_server_even_ones() -> None:
    client, server = Multiplexer(client=True), Multiplexer(client=False)
    assert [client.open(), client.open()] == [1, 3]
    assert [server.open(), server.open()] == [2, 4]
    assert frames(sent(client)) == [Header(Kind.WINDOW_UPDATE, Flag.SYN, number, 0) for number in (1, 3)]


def test_a_stream_is_opened_with_credit_or_with_data_and_accepted_with_an_ack(server: Multiplexer) -> None:
    assert hear(server, opened(1)) == [Opened(1)]
    assert hear(server, data(3, b"at once", Flag.SYN)) == [Opened(3), DataArrived(3, b"at once")]
    server.accept(1)
    server.accept(1)
    assert frames(sent(server)) == [Header(Kind.WINDOW_UPDATE, Flag.ACK, 1, 0)]


@pytest.mark.parametrize("stream", [0, 2])
def test_a_peer_opens_its_own_streams_only(server: Multiplexer, stream: int) -> None:
    with pytest.raises(YamuxError, match=f"opened stream {stream}, which is not its to open"):
        hear(server, opened(stream))


def test_a_stream_is_not_opened_twice(server: Multiplexer) -> None:
    with pytest.raises(YamuxError, match="opened stream 1"):
        hear(server, opened(1), opened(1))


def test_streams_beyond_the_backlog_are_refused_until_one_is_taken(server: Multiplexer) -> None:
    for number in range(BACKLOG):
        hear(server, opened(2 * number + 1))
    assert hear(server, opened(9_001)) == []
    assert frames(sent(server)) == [Header(Kind.WINDOW_UPDATE, Flag.RST, 9_001, 0)]
    server.accept(1)
    assert hear(server, opened(9_003)) == [Opened(9_003)]
    server.reset(3)
    assert hear(server, opened(9_005)) == [Opened(9_005)]
    assert hear(server, opened(9_007)) == []


def test_a_peer_has_a_limited_number_of_streams_at_a_time(server: Multiplexer) -> None:
    for number in range(STREAMS):
        hear(server, opened(2 * number + 1))
        server.accept(2 * number + 1)
    assert hear(server, opened(99_999)) == []
    server.reset(1)
    assert hear(server, opened(100_001)) == [Opened(100_001)]


def test_no_more_is_sent_than_the_peer_gave_credit_for(server: Multiplexer) -> None:
    hear(server, opened(1))
    payload = memoryview(bytes(2 * WINDOW))
    sizes = [server.send(1, payload) for _ in range(6)]
    assert sizes == [LARGEST_FRAME] * (WINDOW // LARGEST_FRAME) + [0, 0]
    assert hear(server, frame(Kind.WINDOW_UPDATE, NONE, 1, 10)) == [CreditArrived(1)]
    assert server.send(1, payload) == 10


def test_a_peer_that_sends_beyond_its_credit_is_cut_off_before_its_data_is_taken(server: Multiplexer) -> None:
    hear(server, opened(1), data(1, bytes(WINDOW)))
    with pytest.raises(YamuxError, match="stream 1 got 1 bytes, of which its credit allows 0"):
        hear(server, frame(Kind.DATA, NONE, 1, 1))


def test_credit_is_given_back_when_half_a_window_is_consumed(server: Multiplexer) -> None:
    hear(server, opened(1), data(1, bytes(WINDOW)))
    server.consumed(1, WINDOW // 2 - 1)
    assert not server.leaving
    server.consumed(1, 1)
    assert frames(sent(server)) == [Header(Kind.WINDOW_UPDATE, NONE, 1, WINDOW // 2)]
    assert hear(server, data(1, bytes(WINDOW // 2)))
    with pytest.raises(YamuxError):
        hear(server, data(1, b"x"))


def test_credit_does_not_grow_beyond_all_bounds(server: Multiplexer) -> None:
    with pytest.raises(YamuxError, match="grew beyond all bounds"):
        hear(server, opened(1), frame(Kind.WINDOW_UPDATE, NONE, 1, 2**32 - 1))


def test_each_side_finishes_for_itself_and_both_end_the_stream(server: Multiplexer) -> None:
    hear(server, opened(1))
    assert hear(server, frame(Kind.WINDOW_UPDATE, Flag.FIN, 1)) == [Finished(1)]
    assert server.send(1, memoryview(b"still")) == 5
    server.finish(1)
    assert server.send(1, memoryview(b"no more")) == 0
    assert [header.flags for header in frames(sent(server))] == [NONE, Flag.FIN]
    assert hear(server, opened(1)) == [Opened(1)], "the number is free again"


def test_data_that_comes_with_the_end_comes_before_it(server: Multiplexer) -> None:
    whole = opened(1) + data(1, b"last words", Flag.FIN)
    assert hear(server, whole) == [Opened(1), DataArrived(1, b"last words"), Finished(1)]


@pytest.mark.parametrize(
    "after", [frame(Kind.WINDOW_UPDATE, Flag.FIN, 1), data(1, b"x"), frame(Kind.DATA, Flag.FIN, 1)]
)
def test_nothing_follows_the_end(server: Multiplexer, after: bytes) -> None:
    hear(server, opened(1), frame(Kind.WINDOW_UPDATE, Flag.FIN, 1))
    with pytest.raises(YamuxError):
        hear(server, after)


def test_a_reset_ends_a_stream_at_once_and_what_follows_is_passed_over(server: Multiplexer) -> None:
    hear(server, opened(1), opened(3))
    assert hear(server, frame(Kind.WINDOW_UPDATE, Flag.RST, 1)) == [Reset(1)]
    server.reset(3)
    assert hear(server, data(1, bytes(2 * WINDOW)), data(3, b"x"), frame(Kind.PING, Flag.SYN, 0, 7)) == []
    assert frames(sent(server))[-1] == Header(Kind.PING, Flag.ACK, 0, 7)


def test_data_of_an_unknown_stream_is_passed_over(server: Multiplexer) -> None:
    assert hear(server, data(5, b"who is this"), opened(1)) == [Opened(1)]
    server.accept(5)
    server.consumed(5, WINDOW)
    server.finish(5)
    server.reset(5)
    assert not server.leaving


def test_a_question_is_answered_and_an_answer_is_not(server: Multiplexer) -> None:
    hear(server, frame(Kind.PING, Flag.SYN, 0, 0xABCD), frame(Kind.PING, Flag.ACK, 0, 1))
    assert sent(server) == frame(Kind.PING, Flag.ACK, 0, 0xABCD)


def test_after_a_go_away_no_stream_is_opened_but_those_there_are_stay(server: Multiplexer) -> None:
    hear(server, opened(1))
    assert hear(server, frame(Kind.GO_AWAY, NONE, 0, Reason.NORMAL)) == [GoneAway(0)]
    with pytest.raises(YamuxError, match="takes no new streams"):
        server.open()
    assert hear(server, data(1, b"still")) == [DataArrived(1, b"still")]


@pytest.mark.parametrize(
    ("junk", "complaint"),
    [
        (b"GET / HTTP/1.1\r\n", "expected yamux version 0, got 71"),
        (bytes([1]) + bytes(11), "expected yamux version 0, got 1"),
        (bytes([0, 4]) + bytes(10), "expected a yamux frame of type 0 to 3, got type 4"),
    ],
)
def test_what_is_no_yamux_is_fatal(server: Multiplexer, junk: bytes, complaint: str) -> None:
    with pytest.raises(YamuxError, match=complaint):
        hear(server, junk)


headers = st.builds(
    Header, st.sampled_from(Kind), st.integers(0, 15).map(Flag), st.integers(0, 6), st.integers(0, 9)
)


def whole(header: Header) -> bytes:
    return encode_header(header) + bytes(header.length if header.kind is Kind.DATA else 0)


def told(multiplexer: Multiplexer, parts: Sequence[bytes]) -> tuple[list[Event], str]:
    """The events with neighbouring data joined, and the error that ended them."""
    events: list[Event] = []
    error = ""
    try:
        for part in parts:
            for event in multiplexer.receive(part):
                last = events[-1] if events else None
                match last, event:
                    case DataArrived(one, before), DataArrived(two, after) if one == two:
                        events[-1] = DataArrived(one, before + after)
                    case _:
                        events.append(event)
    except YamuxError as problem:
        error = str(problem)
    return events, error


@SETTINGS
@given(st.lists(headers, max_size=12), st.integers(1, 40))
def test_the_pieces_in_which_bytes_arrive_make_no_difference(script: list[Header], size: int) -> None:
    stream = b"".join(map(whole, script))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert told(Multiplexer(client=False), pieces) == told(Multiplexer(client=False), [stream])


@SETTINGS
@given(st.binary(max_size=200))
def test_any_bytes_lead_to_events_or_to_the_one_error(junk: bytes) -> None:
    told(Multiplexer(client=True), [junk])
    told(Multiplexer(client=True), [bytes([0, *junk])])


@SETTINGS
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 100_000)), max_size=40),
    st.integers(1, 70_000),
)
def test_two_ends_carry_everything_in_order_and_never_exceed_their_credit(
    writes: list[tuple[bool, int, int]], step: int
) -> None:
    ends = [Multiplexer(client=True), Multiplexer(client=False)]
    waiting = [dict.fromkeys((1, 3, 5), b"") for _ in ends]
    expected = [dict.fromkeys((1, 3, 5), b"") for _ in ends]
    arrived = [dict.fromkeys((1, 3, 5), b"") for _ in ends]
    unread = [dict.fromkeys((1, 3, 5), 0) for _ in ends]

    def pass_on() -> None:
        for here, there in ((0, 1), (1, 0)):
            taken = sent(ends[here])
            for at in range(0, len(taken), step):
                for event in ends[there].receive(taken[at : at + step]):
                    match event:
                        case Opened(stream):
                            ends[there].accept(stream)
                        case DataArrived(stream, data):
                            arrived[there][stream] += data
                            unread[there][stream] += len(data)
                            assert unread[there][stream] <= WINDOW

    def send_all() -> None:
        for here in (0, 1):
            for stream, rest in waiting[here].items():
                while size := ends[here].send(stream, memoryview(rest)):
                    rest = rest[size:]
                waiting[here][stream] = rest

    for _ in range(3):
        ends[0].open()
    pass_on()
    for number, (from_client, which, size) in enumerate(writes):
        here, stream = (0 if from_client else 1), 2 * which + 1
        payload = bytes([number]) * size
        waiting[here][stream] += payload
        expected[1 - here][stream] += payload
        send_all()
        pass_on()
    while any(rest for side in waiting for rest in side.values()):
        for there in (0, 1):
            for stream, size in unread[there].items():
                ends[there].consumed(stream, size)
                unread[there][stream] = 0
        pass_on()
        send_all()
        pass_on()
    assert arrived == expected
