"""Data sources as the query plan looks them up, from a list that a test writes."""

from __future__ import annotations

from graftage.backend.context import DataSourceSettings


class Sources:
    def __init__(self, *sources: DataSourceSettings) -> None:
        self._sources = sources

    def by_id(self, data_source_id: int) -> DataSourceSettings | None:
        return next((source for source in self._sources if source.id == data_source_id), None)

    def by_uid(self, uid: str) -> DataSourceSettings | None:
        return next((source for source in self._sources if source.uid == uid), None)
