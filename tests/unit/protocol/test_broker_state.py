"""What a broker remembers, by the clock: offers, and whose the next stream is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftage.errors import WireError
from graftage.protocol.broker_state import MOST_OFFERS, Doors, Offers
from graftage.protocol.conn_info import ConnInfo, decode_conn_info, encode_conn_info

SETTINGS = settings(deadline=None, derandomize=True)
KNOCK = ConnInfo(7, knock=True)


def offer(number: int, address: str = "/tmp/a") -> ConnInfo:
    return ConnInfo(number, "unix", address)


def test_an_offer_serves_one_dial() -> None:
    offers = Offers()
    assert offers.add(offer(1), now=0)
    assert offers.take(1, now=1) == offer(1)
    assert offers.take(1, now=1) is None


def test_an_offer_is_kept_for_five_seconds() -> None:
    offers = Offers()
    offers.add(offer(1), now=0)
    assert offers.take(1, now=5) is None
    offers.add(offer(1), now=10)
    assert offers.take(1, now=14.9) == offer(1)


def test_a_second_offer_of_a_number_is_dropped_while_there_is_one() -> None:
    offers = Offers()
    offers.add(offer(1, "/tmp/a"), now=0)
    assert not offers.add(offer(1, "/tmp/b"), now=1)
    assert offers.add(offer(1, "/tmp/c"), now=6)
    assert offers.take(1, now=7) == offer(1, "/tmp/c")


def test_a_flood_of_offers_does_not_fill_the_memory() -> None:
    offers = Offers()
    assert [offers.add(offer(number), now=0) for number in range(MOST_OFFERS + 1)][-2:] == [True, False]
    assert offers.add(offer(MOST_OFFERS), now=6)


def test_the_stream_after_a_knock_is_that_numbers_and_the_one_after_it_is_not() -> None:
    doors = Doors()
    assert doors.open(7)
    assert doors.knock(KNOCK, now=0) == ConnInfo(7, knock=True, ack=True)
    assert doors.next_stream(now=1) == 7
    assert doors.next_stream(now=1) is None


def test_a_knock_where_nobody_listens_is_answered_with_an_error() -> None:
    doors = Doors()
    assert doors.knock(KNOCK, now=0) == ConnInfo(
        7, knock=True, ack=True, error="nobody listens for connection 7"
    )
    assert doors.next_stream(now=0) is None


def test_a_number_is_listened_for_once_at_a_time() -> None:
    doors = Doors()
    assert doors.open(7)
    assert not doors.open(7)
    doors.close(7)
    assert doors.open(7)


@pytest.mark.parametrize("happens", ["time passes", "the door is closed", "another knock"])
def test_a_knock_that_no_stream_follows_is_forgotten(happens: str) -> None:
    doors = Doors()
    doors.open(7)
    doors.open(8)
    doors.knock(KNOCK, now=0)
    match happens:
        case "time passes":
            assert doors.next_stream(now=5) is None
        case "the door is closed":
            doors.close(7)
            assert doors.next_stream(now=1) is None
        case _:
            doors.knock(ConnInfo(8, knock=True), now=1)
            assert [doors.next_stream(now=2), doors.next_stream(now=2)] == [8, None]


infos = st.builds(ConnInfo, st.integers(0, 2**32 - 1), st.text(), st.text()) | st.builds(
    ConnInfo, st.integers(0, 2**32 - 1), knock=st.just(value=True), ack=st.booleans(), error=st.text()
)


@SETTINGS
@given(infos)
def test_a_message_is_read_as_it_is_written(info: ConnInfo) -> None:
    assert decode_conn_info(encode_conn_info(info)) == info


def test_a_message_has_the_numbers_of_go_plugin() -> None:
    assert encode_conn_info(offer(1)) == b"\x08\x01\x12\x04unix\x1a\x06/tmp/a"
    assert encode_conn_info(ConnInfo(1, knock=True, ack=True, error="no")) == (
        b"\x08\x01\x22\x08\x08\x01\x10\x01\x1a\x02no"
    )


def test_what_is_no_message_is_an_error() -> None:
    with pytest.raises(WireError, match=r"expected a plugin\.ConnInfo message"):
        decode_conn_info(b"\xff\xff")
