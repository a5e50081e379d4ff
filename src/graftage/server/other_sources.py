"""Questions that plugins ask of other data sources, through the host."""

from __future__ import annotations

from typing import Final, Protocol

from graftage.backend.context import User, context_of
from graftage.backend.query import Query, QueryRequest, Result, TimeRange
from graftage.errors import NotFound, shortened
from graftage.host.host_query import AskOther
from graftage.store.data_sources import DataSource

_QUOTED_CHARACTERS: Final = 100  # of a uid that a plugin asks for


class Find(Protocol):
    """Looks a data source of an organisation up by its uid."""

    def __call__(self, uid: str, *, org_id: int) -> DataSource | None: ...


class Ask(Protocol):
    """One call to one plugin; `Host.query` is one."""

    async def __call__(
        self, plugin_id: str, request: QueryRequest, *, timeout: float, chain: tuple[str, ...]
    ) -> tuple[Result, ...]: ...


def other_sources(find: Find, ask: Ask, *, seconds: float) -> AskOther:
    """What answers such questions: the data sources of the asker's own organisation, with the asker's name.

    Whoever may query one data source may query each of its organisation. seconds: how long a plugin may take.
    """

    async def ask_other(
        uid: str,
        org_id: int,
        user: User | None,
        queries: tuple[Query, ...],
        time_range: TimeRange,
        chain: tuple[str, ...],
    ) -> tuple[Result, ...]:
        source = find(uid, org_id=org_id)
        if source is None:
            asked = shortened(uid, _QUOTED_CHARACTERS)
            raise NotFound(f"no data source has the uid {asked!r}; GET /api/datasources lists them")
        request = QueryRequest(time_range, context_of(source.settings(), user=user), queries)
        return await ask(source.type, request, timeout=seconds, chain=chain)

    return ask_other
