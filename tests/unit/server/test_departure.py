from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from graftage.server.departure import WhileConnected


class Connection:
    """A connection that a test can end."""

    def __init__(self) -> None:
        self._gone = asyncio.Event()
        self.listening = asyncio.Event()

    def end(self) -> None:
        self._gone.set()

    async def receive(self) -> Message:
        self.listening.set()
        await self._gone.wait()
        return {"type": "http.disconnect"}


async def work_until_cancelled(connection: Connection, *, patience: float) -> None:
    with WhileConnected(connection.receive, patience=patience):
        await asyncio.Event().wait()


async def test_work_ends_when_the_client_goes_away() -> None:
    connection = Connection()
    work = asyncio.create_task(work_until_cancelled(connection, patience=0))
    connection.end()
    with pytest.raises(ClientDisconnect):
        await work
    assert not work.cancelled()


async def test_after_a_departure_the_task_can_go_on() -> None:
    connection = Connection()
    connection.end()
    with pytest.raises(ClientDisconnect):
        await work_until_cancelled(connection, patience=0)
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    connection = Connection()
    work = asyncio.create_task(work_until_cancelled(connection, patience=0))
    await connection.listening.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert work.cancelled()


async def test_quick_work_is_not_watched() -> None:
    connection = Connection()
    with WhileConnected(connection.receive, patience=60):
        await asyncio.sleep(0)
    assert not connection.listening.is_set()


async def test_an_error_of_the_work_is_passed_on_and_nothing_keeps_running() -> None:
    connection = Connection()
    with pytest.raises(KeyError), WhileConnected(connection.receive, patience=0):  # noqa: PT012
        await connection.listening.wait()
        raise KeyError
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
