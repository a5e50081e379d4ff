from __future__ import annotations

from graftage.sdk.output import CHUNK_BYTES, OutputBuffer


def drained(buffer: OutputBuffer) -> list[bytes]:
    return list(iter(buffer.take, b""))


def test_bytes_come_out_in_order_in_pieces_of_at_most_1024() -> None:
    buffer = OutputBuffer()
    buffer.append(b"a" * 1500)
    buffer.append(b"b" * 1000)

    pieces = drained(buffer)

    assert [len(piece) for piece in pieces] == [CHUNK_BYTES, CHUNK_BYTES, 2500 - 2 * CHUNK_BYTES]
    assert b"".join(pieces) == b"a" * 1500 + b"b" * 1000


def test_the_oldest_bytes_make_room_when_nobody_fetches() -> None:
    buffer = OutputBuffer(limit=10)

    assert buffer.append(b"12345678") == 0
    assert buffer.append(b"abcd") == 2
    assert buffer.append(b"x" * 25) == 10 + 15

    assert drained(buffer) == [b"x" * 10]


def test_every_change_wakes_the_reader_and_closing_is_one() -> None:
    buffer, wakes = OutputBuffer(), []
    buffer.append(b"before")
    buffer.on_change(lambda: wakes.append(len(wakes)))

    buffer.append(b"data")
    buffer.close()

    assert len(wakes) == 2
    assert buffer.closed
    assert drained(buffer) == [b"beforedata"]
