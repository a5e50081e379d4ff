"""A plugin asks another data source of its host: over two brokers, a real socket and a real gRPC service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from graftage.backend.context import DataSourceSettings, User, context_of
from graftage.backend.host_query import HostQueryRequest
from graftage.backend.query import Query, Result
from graftage.backend.query import TimeRange as AskedRange
from graftage.data.arrow.writer import write_arrow
from graftage.data.frame import Field, FieldType, Frame
from graftage.data.series import Series
from graftage.errors import CallFailed, GraftageError, NotFound, PluginTimeout, PluginUnavailable, WireError
from graftage.host.calls import Metadata
from graftage.host.host_query import MOST_QUESTIONS, MOST_SOURCES, HostQueryService
from graftage.protocol.broker import Broker
from graftage.protocol.host_query import decode_host_query, encode_host_query
from graftage.protocol.wiring import Listens, Wiring
from graftage.sdk.host_query import Host, HostConnection, HostQueryFailed, host_of_call
from graftage.sdk.query import TimeRange
from support.wait import eventually_async

USER = User("me", role="Viewer")
CONTEXT = context_of(DataSourceSettings(1, 2, "first", "first-ds", uid="u1"), user=USER)
RANGE = TimeRange(1000, 2000)
FRAME = Frame((Field("n", FieldType.FLOAT64, np.array([1.0, 2.0])),), ref_id="A")
ARROW = (Result("A", arrow=(write_arrow(FRAME),)),)
SERIES = Series("old", np.array([1], np.int64), np.array([1.5]))


class Others:
    """The data sources of a host: they note what they are asked, and answer or fail as they are told."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.answer: Callable[[], tuple[Result, ...]] = lambda: ARROW
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(
        self,
        uid: str,
        org_id: int,
        user: User | None,
        queries: tuple[Query, ...],
        time_range: AskedRange,
        chain: tuple[str, ...],
    ) -> tuple[Result, ...]:
        self.asked.append((uid, org_id, user, queries, time_range, chain))
        await self.open.wait()
        return self.answer()

    def fail(self, error: GraftageError) -> None:
        def answer() -> tuple[Result, ...]:
            raise error

        self.answer = answer


@dataclass(frozen=True, slots=True)
class Socket:
    network: str
    address: str

    def remove(self) -> None:
        Path(self.address).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """A host with other data sources, and a plugin that is connected to it."""

    others: Others
    service: HostQueryService
    broker: Broker
    connection: HostConnection

    def host(self, metadata: Metadata) -> Host:
        return replace(host_of_call(metadata, self.connection), time_range=RANGE)


@asynccontextmanager
async def connected(folder: Path, *, offers: bool = True) -> AsyncIterator[Pair]:
    def listen(server: Listens) -> Socket:
        path = f"{folder}/s"
        server.add_insecure_port(f"unix:{path}")
        return Socket("unix", path)

    async def arriving(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
        while True:
            yield await queue.get()

    others = Others()
    service = HostQueryService(others)
    of_host, of_plugin = Broker(Wiring(listen)), Broker(Wiring(listen), wait_seconds=0.2)
    to_host, to_plugin = asyncio.Queue[bytes](), asyncio.Queue[bytes]()
    streams = [
        asyncio.ensure_future(of_host.converse(arriving(to_host), to_plugin.put)),
        asyncio.ensure_future(of_plugin.converse(arriving(to_plugin), to_host.put)),
    ]
    connection = HostConnection(of_plugin)
    try:
        if offers:
            async with service.offered(of_host):
                yield Pair(others, service, of_host, connection)
                await connection.close()
        else:
            yield Pair(others, service, of_host, connection)
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


async def test_a_plugin_asks_another_data_source_with_the_rights_of_its_caller(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            frames = await pair.host(metadata).query("u2", "A", {"expr": "up"}, query_type="instant")
    (frame,) = frames
    assert frame.fields[0].values.tolist() == [1.0, 2.0]
    asked = Query("A", '{"expr": "up", "refId": "A"}', 1000, 100, "instant")
    assert pair.others.asked == [("u2", 2, USER, (asked,), AskedRange(1000, 2000), ("u1",))]


async def test_the_connection_is_made_once_for_all_questions(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            host = pair.host(metadata)
            await asyncio.gather(*(host.query(f"u{number}") for number in range(2, 10)))
    assert len(pair.others.asked) == 8


async def test_a_question_may_have_a_time_range_of_its_own(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            await pair.host(metadata).query("u2", time_range=TimeRange(5, 6))
    assert pair.others.asked[0][4] == AskedRange(5, 6)


async def test_a_call_that_is_no_query_has_to_say_what_time_range_it_wants() -> None:
    with pytest.raises(ValueError, match="no time range of its own"):
        await Host().query("u2")


async def test_what_a_plugin_of_version_1_answers_arrives_as_frames(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        pair.others.answer = lambda: (Result("A", series=(SERIES,)),)
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            (frame,) = await pair.host(metadata).query("u2")
    assert frame.fields[1].values.tolist() == [1.5]


async def test_points_that_no_frame_can_hold_are_the_error_of_their_query(tmp_path: Path) -> None:
    far = Series("far", np.array([2**60]), np.array([1.5]))
    async with connected(tmp_path) as pair:
        pair.others.answer = lambda: (Result("B", series=(far,)), *ARROW)
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            host = pair.host(metadata)
            assert len(await host.query("u2", "A")) == 1
            with pytest.raises(HostQueryFailed, match=r"answered query 'B' with an error: .* series 'far'"):
                await host.query("u2", "B")


async def test_a_token_lives_as_long_as_its_call(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            host = pair.host(metadata)
        with pytest.raises(HostQueryFailed, match="token belongs to no call in progress"):
            await host.query("u2")
    assert pair.others.asked == []


async def test_two_calls_have_different_tokens(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as one,
            pair.service.on_behalf(pair.broker, CONTEXT) as other,
        ):
            assert one != other


async def test_a_data_source_cannot_be_asked_on_its_own_behalf(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT, chain=("u0",)) as metadata:
            for uid in ("u0", "u1"):
                with pytest.raises(HostQueryFailed, match=f"'{uid}' would ask itself: u0 -> u1 -> {uid};"):
                    await pair.host(metadata).query(uid)
    assert pair.others.asked == []


async def test_a_question_goes_through_a_limited_number_of_data_sources(tmp_path: Path) -> None:
    through = tuple(f"s{number}" for number in range(MOST_SOURCES - 1))
    async with connected(tmp_path) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT, chain=through[1:]) as metadata:
            await pair.host(metadata).query("u2")
        with (
            pair.service.on_behalf(pair.broker, CONTEXT, chain=through) as metadata,
            pytest.raises(HostQueryFailed, match=f"through {MOST_SOURCES} data sources and not further"),
        ):
            await pair.host(metadata).query("u2")
    assert [asked[5] for asked in pair.others.asked] == [(*through[1:], "u1")]


async def test_a_uid_is_repeated_only_as_far_as_it_tells_something(tmp_path: Path) -> None:
    through = tuple(f"s{number}" for number in range(MOST_SOURCES))
    async with connected(tmp_path) as pair:
        with (
            pair.service.on_behalf(pair.broker, CONTEXT, chain=through) as metadata,
            pytest.raises(HostQueryFailed) as refused,
        ):
            await pair.host(metadata).query("u" * 100_000)
    assert "u" * 100 in str(refused.value)
    assert len(str(refused.value)) < 400


async def test_a_question_of_more_than_16_mib_is_not_taken(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as metadata,
            pytest.raises(HostQueryFailed, match="larger than max"),
        ):
            await pair.host(metadata).query("u2", "A", {"expr": "x" * 2**24})
    assert pair.others.asked == []


async def test_a_call_has_a_limited_number_of_questions_in_progress(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        pair.others.open.clear()
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as metadata,
            pair.service.on_behalf(pair.broker, CONTEXT) as of_another_call,
        ):
            host = pair.host(metadata)
            asking = [asyncio.ensure_future(host.query("u2")) for _ in range(MOST_QUESTIONS)]
            await eventually_async(lambda: len(pair.others.asked) == MOST_QUESTIONS)
            with pytest.raises(HostQueryFailed, match="ask the next when one of them is answered"):
                await host.query("u2")
            asking.append(asyncio.ensure_future(pair.host(of_another_call).query("u2")))
            await eventually_async(lambda: len(pair.others.asked) == MOST_QUESTIONS + 1)
            pair.others.open.set()
            await asyncio.gather(*asking)
            await host.query("u2")


async def test_a_question_that_was_given_up_makes_room_for_the_next(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        pair.others.open.clear()
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            host = pair.host(metadata)
            given_up = (host.query("u2", timeout=0.05) for _ in range(MOST_QUESTIONS))
            await asyncio.gather(*given_up, return_exceptions=True)
            pair.others.open.set()
            (asker,) = pair.service._askers.values()
            await eventually_async(lambda: asker.in_progress == 0, what="the host to hear of it")
            await host.query("u2")


async def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        pair.others.fail(CallFailed("UNKNOWN", "x" * 1_000_000))
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as metadata,
            pytest.raises(HostQueryFailed, match="cut here, of 1,000,000 characters"),
        ):
            await pair.host(metadata).query("u2")


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no data source has the uid 'u2'"),
        PluginTimeout("it is busy"),
        PluginUnavailable("it is stopped"),
        CallFailed("RESOURCE_EXHAUSTED", "too much", error_source="downstream"),
        GraftageError("something else"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_the_plugin_is_told_why_the_other_did_not_answer(error: GraftageError, tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        pair.others.fail(error)
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as metadata,
            pytest.raises(HostQueryFailed, match=str(error)),
        ):
            await pair.host(metadata).query("u2")


@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        ((Result("A", "no such table", arrow=()),), "'u2' answered query 'A' with an error: no such table"),
        ((), "'u2' did not answer query 'A'"),
    ],
)
async def test_a_query_without_an_answer_is_an_error(
    results: tuple[Result, ...], complaint: str, tmp_path: Path
) -> None:
    async with connected(tmp_path) as pair:
        pair.others.answer = lambda: results
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as metadata,
            pytest.raises(HostQueryFailed, match=complaint),
        ):
            await pair.host(metadata).query("u2")


async def test_a_plugin_waits_no_longer_than_it_says(tmp_path: Path) -> None:
    async with connected(tmp_path) as pair:
        pair.others.open.clear()
        with (
            pair.service.on_behalf(pair.broker, CONTEXT) as metadata,
            pytest.raises(HostQueryFailed, match=r"(?i)deadline"),
        ):
            await pair.host(metadata).query("u2", timeout=0.05)


async def test_where_nothing_is_offered_calls_bring_nothing_along(tmp_path: Path) -> None:
    async with connected(tmp_path, offers=False) as pair:
        with pair.service.on_behalf(pair.broker, CONTEXT) as metadata:
            assert metadata == ()
        with pytest.raises(HostQueryFailed, match="does not let plugins ask other data sources"):
            await pair.host(metadata).query("u2")


async def test_an_offer_that_never_comes_is_not_waited_for_long(tmp_path: Path) -> None:
    async with connected(tmp_path, offers=False) as pair:
        with pytest.raises(HostQueryFailed, match=r"the host cannot be asked: .* offered connection 7"):
            await pair.host((("graftage-host-query", "7:token"),)).query("u2")


@pytest.mark.parametrize("offered", ["", "7", "x:token", "-1:token", "99999999999:token", "\u0663:token"])
async def test_metadata_that_is_no_offer_is_none(offered: str, tmp_path: Path) -> None:
    async with connected(tmp_path, offers=False) as pair:
        host = pair.host((("graftage-host-query", offered),))
        assert host.number in (0, 7)
        assert host.token == ""


def test_tokens_do_not_show() -> None:
    assert "s3cr3t" not in repr(HostQueryRequest("s3cr3t", "u2", AskedRange(0, 1), ()))
    assert "s3cr3t" not in repr(Host(token="s3cr3t"))


def test_a_request_survives_the_wire() -> None:
    queries = (Query("A"), Query("B", '{"b":2}', 7, 8, "x", AskedRange(3, 4)))
    request = HostQueryRequest("token", "u2", AskedRange(1, 2), queries)
    assert decode_host_query(encode_host_query(request)) == request


@given(message=some.binary(max_size=64))
def test_any_bytes_are_a_request_or_a_wire_error(message: bytes) -> None:
    try:
        decode_host_query(message)
    except WireError as error:
        assert "expected a graftage.host.v1.HostQueryRequest" in str(error)  # noqa: PT017 - there may be none
