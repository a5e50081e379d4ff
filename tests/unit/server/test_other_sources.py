from __future__ import annotations

import pytest

from graftage.backend.context import User, context_of
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.errors import NotFound
from graftage.server.other_sources import other_sources
from graftage.store.data_sources import DataSource

SOURCE = DataSource("Other", "other-datasource", "proxy", id=7, uid="other")
QUERIES = (Query("A"),)


def find(uid: str, *, org_id: int) -> DataSource | None:
    return SOURCE if (uid, org_id) == (SOURCE.uid, SOURCE.org_id) else None


async def ask_nobody(*asked: object, **more: object) -> tuple[Result, ...]:
    raise AssertionError("nobody is asked")


async def test_the_plugin_of_the_other_data_source_is_asked_in_the_name_of_the_asker() -> None:
    asked: list[tuple[str, QueryRequest, float, tuple[str, ...]]] = []

    async def ask(
        plugin_id: str, request: QueryRequest, *, timeout: float, chain: tuple[str, ...]
    ) -> tuple[Result, ...]:
        asked.append((plugin_id, request, timeout, chain))
        return (Result("A"),)

    user = User(role="Viewer")
    ask_other = other_sources(find, ask, seconds=5)
    assert await ask_other("other", 1, user, QUERIES, TimeRange(1, 2), ("first",)) == (Result("A"),)

    request = QueryRequest(TimeRange(1, 2), context_of(SOURCE.settings(), user=user), QUERIES)
    assert asked == [("other-datasource", request, 5, ("first",))]


async def test_a_long_uid_is_not_repeated_in_full() -> None:
    with pytest.raises(NotFound) as refused:
        await other_sources(find, ask_nobody, seconds=5)("u" * 10_000, 1, None, QUERIES, TimeRange(1, 2), ())
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(("uid", "org_id"), [("nobody", 1), ("other", 2)])
async def test_data_sources_of_other_organisations_are_as_unknown_as_any(uid: str, org_id: int) -> None:
    with pytest.raises(NotFound, match="no data source has the uid"):
        await other_sources(find, ask_nobody, seconds=5)(uid, org_id, None, QUERIES, TimeRange(1, 2), ())
