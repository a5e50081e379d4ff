"""Every data source in memory, so that a query finds its own without asking the database.

A write goes to the database first and is then read back whole, within one transaction: what is here is what
was committed, and the next query sees it. That the process is the only writer is what makes this right; see
`database.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from sqlalchemy import Connection, Engine

from graftage.errors import NotFound
from graftage.store import data_sources
from graftage.store.data_sources import MAIN_ORG, NO_SUCH, DataSource
from graftage.store.sealing import Sealer

T = TypeVar("T")


class DataSources:
    """The data sources of one database. Reads are lookups and never wait; writes take turns, on the disk.

    Safe to use from any thread. Every method takes the organisation as `org_id`, the main one by default.
    """

    def __init__(self, engine: Engine, sealer: Sealer, *, clock: Callable[[], float] = time.time) -> None:
        """Read everything. Raises SettingsError when a secret cannot be opened with this key.

        clock: seconds since 1970.
        """
        self._engine = engine
        self._sealer = sealer
        self._clock = clock
        self._writing = threading.Lock()
        # Never changed, only replaced: a reader holds on to the one it began with.
        self._by_id: Mapping[int, DataSource] = {}
        self._by_uid: Mapping[tuple[int, str], DataSource] = {}
        self._write(lambda _db: None)

    def all(self, *, org_id: int = MAIN_ORG) -> list[DataSource]:
        """In the order of their lower-cased names, bytewise, as Grafana lists them."""
        own = [source for source in self._by_id.values() if source.org_id == org_id]
        return sorted(own, key=lambda source: (source.name.lower().encode(), source.id))

    def find(self, data_source_id: int, *, org_id: int = MAIN_ORG) -> DataSource | None:
        """What each query asks first: one look-up in a dict."""
        found = self._by_id.get(data_source_id)
        return found if found is not None and found.org_id == org_id else None

    def find_uid(self, uid: str, *, org_id: int = MAIN_ORG) -> DataSource | None:
        """As quick as `find`."""
        return self._by_uid.get((org_id, uid))

    def by_id(self, data_source_id: int, *, org_id: int = MAIN_ORG) -> DataSource:
        """Raises NotFound."""
        found = self.find(data_source_id, org_id=org_id)
        if found is None:
            raise NotFound(NO_SUCH)
        return found

    def by_uid(self, uid: str, *, org_id: int = MAIN_ORG) -> DataSource:
        """Raises NotFound."""
        found = self.find_uid(uid, org_id=org_id)
        if found is None:
            raise NotFound(NO_SUCH)
        return found

    def by_name(self, name: str, *, org_id: int = MAIN_ORG) -> DataSource:
        """The name in exact case. Raises NotFound."""
        for source in self._by_id.values():
            if source.org_id == org_id and source.name == name:
                return source
        raise NotFound(NO_SUCH)

    def add(self, new: DataSource) -> DataSource:
        """Returns it as stored, with id, uid and version. Raises Conflict."""
        return self._write(lambda db: data_sources.add(db, self._sealer, new, now_ms=self._now_ms()))

    def update(
        self, data_source_id: int, edit: Callable[[DataSource], DataSource], *, org_id: int = MAIN_ORG
    ) -> DataSource:
        """Store what `edit` makes of the newest state; returns it. Raises NotFound and Conflict."""

        def write(db: Connection) -> DataSource:
            changed = edit(self.by_id(data_source_id, org_id=org_id))
            return data_sources.change(db, self._sealer, changed, now_ms=self._now_ms())

        return self._write(write)

    def remove(self, data_source_id: int, *, org_id: int = MAIN_ORG) -> None:
        """Raises NotFound."""
        self._write(lambda db: data_sources.remove(db, org_id, data_source_id))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _write(self, statements: Callable[[Connection], T]) -> T:
        with self._writing:
            with self._engine.begin() as db:
                result = statements(db)
                newest = data_sources.all_data_sources(db, self._sealer)
            self._by_id = {source.id: source for source in newest}
            self._by_uid = {(source.org_id, source.uid): source for source in newest}
        return result
