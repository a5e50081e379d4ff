from __future__ import annotations

import asyncio

import pytest

from graftage.server.live.outbox import BATCH_CHARACTERS, Limit, Outbox


class Overflow:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def test_lines_come_out_whole_and_in_their_order() -> None:
    outbox = Outbox(Limit(), Overflow())
    outbox.put("a", "b")
    outbox.put("c")
    assert await outbox.take() == ["ab", "c"]


async def test_who_takes_waits_for_a_line() -> None:
    outbox = Outbox(Limit(), Overflow())
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.put("a")
    assert await taking == ["a"]


@pytest.mark.parametrize("limit", [Limit(lines=2), Limit(characters=5)])
async def test_beyond_either_limit_it_overflows_once_and_takes_nothing_more(limit: Limit) -> None:
    overflow = Overflow()
    outbox = Outbox(limit, overflow)
    for _ in range(2):
        outbox.put("ab")
    assert overflow.count == 0
    for _ in range(3):
        outbox.put("ab")
    assert overflow.count == 1
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    taking.cancel()


async def test_what_is_taken_makes_room() -> None:
    overflow = Overflow()
    outbox = Outbox(Limit(lines=1, characters=3), overflow)
    for _ in range(10):
        outbox.put("abc")
        assert await outbox.take() == ["abc"]
    assert overflow.count == 0


async def test_it_is_behind_while_more_waits_than_is_sent_in_one_go() -> None:
    outbox = Outbox(Limit(), Overflow())
    half = "x" * (BATCH_CHARACTERS // 2)
    for _ in range(5):
        outbox.put(half)
    assert outbox.is_behind
    assert await outbox.take() == [half, half]
    assert outbox.is_behind
    waiting = asyncio.create_task(outbox.room())
    await outbox.take()
    await waiting
    assert not outbox.is_behind


async def test_nobody_waits_for_a_client_that_is_given_up() -> None:
    outbox = Outbox(Limit(), Overflow())
    outbox.put("x" * (BATCH_CHARACTERS + 1))
    waiting = asyncio.create_task(outbox.room())
    outbox.give_up()
    await waiting
    assert not outbox.is_behind


async def test_one_line_may_be_longer_than_what_is_sent_in_one_go() -> None:
    outbox = Outbox(Limit(), Overflow())
    outbox.put("x" * (BATCH_CHARACTERS + 1))
    outbox.put("y")
    assert [len(line) for line in await outbox.take()] == [BATCH_CHARACTERS + 1]
    assert await outbox.take() == ["y"]
