"""Data sources in the database: one function per statement, each within the caller's transaction.

Source of the rules: Grafana 7.5.5, pkg/services/sqlstore/datasource.go.
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from secrets import choice
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from graftage.backend.context import DataSourceSettings
from graftage.backend.secrets import Secrets
from graftage.errors import Conflict, NotFound, SettingsError
from graftage.store.schema import data_sources, sealed_secrets
from graftage.store.sealing import SealBroken, Sealer

# The organisation that everything belongs to, as in a Grafana that has only its first one.
MAIN_ORG = 1

UID_ALPHABET = string.ascii_letters + string.digits + "-_"
UID_LENGTH = 9

# The fields of `data_source_secrets`: a mapping of secrets, and two fields that are one secret each.
SECURE_JSON_DATA = "secureJsonData"
PASSWORD = "password"
BASIC_AUTH_PASSWORD = "basicAuthPassword"

NO_SUCH = "Data source not found"


@dataclass(frozen=True, slots=True)
class DataSource:
    """One configured data source, its secrets opened. Neither these nor the passwords show in its ``repr``.

    id, version: 0 before it is added. uid: empty lets `add` choose one. json_data: any JSON value, as
    canonical JSON text. access: `proxy`, `direct`, or whatever a client sent. updated_ms: when it was last
    changed, in milliseconds since 1970; 0 when that was before it was noted.
    """

    name: str
    type: str
    access: str
    org_id: int = MAIN_ORG
    id: int = 0
    uid: str = ""
    url: str = ""
    user: str = ""
    database: str = ""
    password: str = field(default="", repr=False)
    basic_auth: bool = False
    basic_auth_user: str = ""
    basic_auth_password: str = field(default="", repr=False)
    with_credentials: bool = False
    is_default: bool = False
    json_data: str = "{}"
    secrets: Secrets = field(default_factory=Secrets)
    version: int = 0
    read_only: bool = False
    updated_ms: int = 0

    def settings(self) -> DataSourceSettings:
        """What its plugin gets to see with each call."""
        return DataSourceSettings(
            id=self.id,
            org_id=self.org_id,
            name=self.name,
            type=self.type,
            url=self.url,
            json=self.json_data,
            secrets=self.secrets,
            uid=self.uid,
            user=self.user,
            database=self.database,
            basic_auth_enabled=self.basic_auth,
            basic_auth_user=self.basic_auth_user,
            updated_ms=self.updated_ms,
        )


def all_data_sources(db: Connection, sealer: Sealer) -> list[DataSource]:
    """Every data source of every organisation, by id. Raises SettingsError if a secret cannot be opened."""
    secrets = _open_secrets(db, sealer)
    rows = db.execute(select(data_sources).order_by(data_sources.c.id))
    return [_from_row(row, secrets.get(row.id, {})) for row in rows]


def has_secrets(db: Connection) -> bool:
    """Whether anything in the database is sealed."""
    return db.execute(select(sealed_secrets.c.data_source_id).limit(1)).first() is not None


def add(db: Connection, sealer: Sealer, new: DataSource, *, now_ms: int) -> DataSource:
    """Store a new data source; returns it with its id, uid and version. Raises Conflict."""
    _check_taken(db, new)
    new = replace(new, uid=new.uid or _free_uid(db, new.org_id), version=1, updated_ms=now_ms)
    added = db.execute(insert(data_sources).values(_columns(new))).inserted_primary_key
    assert added is not None
    new = replace(new, id=added.id)
    _seal_secrets(db, sealer, new)
    _let_one_be_default(db, new)
    return new


def change(db: Connection, sealer: Sealer, changed: DataSource, *, now_ms: int) -> DataSource:
    """Store every field of the data source with this id; secrets that it has no more are gone.

    Returns it as stored: every change has a time of its own, also two within a millisecond, as plugins
    compare it. Raises NotFound, and Conflict when the name or uid is another one's.
    """
    _check_taken(db, changed)
    changed = replace(changed, updated_ms=max(now_ms, changed.updated_ms + 1))
    this = (data_sources.c.org_id == changed.org_id) & (data_sources.c.id == changed.id)
    if not db.execute(update(data_sources).where(this).values(_columns(changed))).rowcount:
        raise NotFound(NO_SUCH)
    db.execute(delete(sealed_secrets).where(sealed_secrets.c.data_source_id == changed.id))
    _seal_secrets(db, sealer, changed)
    _let_one_be_default(db, changed)
    return changed


def remove(db: Connection, org_id: int, data_source_id: int) -> None:
    """Delete a data source, and its secrets with it. Raises NotFound."""
    this = (data_sources.c.org_id == org_id) & (data_sources.c.id == data_source_id)
    if not db.execute(delete(data_sources).where(this)).rowcount:
        raise NotFound(NO_SUCH)


def _check_taken(db: Connection, wanted: DataSource) -> None:
    others = select(data_sources.c.id).where(
        data_sources.c.org_id == wanted.org_id, data_sources.c.id != wanted.id
    )
    if db.execute(others.where(data_sources.c.name == wanted.name)).first():
        raise Conflict("data source with the same name already exists")
    if db.execute(others.where(data_sources.c.uid == wanted.uid)).first():
        raise Conflict("data source with the same uid already exists")


def _free_uid(db: Connection, org_id: int) -> str:
    while True:
        uid = "".join(choice(UID_ALPHABET) for _ in range(UID_LENGTH))
        taken = select(data_sources.c.id).where(data_sources.c.org_id == org_id, data_sources.c.uid == uid)
        if not db.execute(taken).first():
            return uid


def _let_one_be_default(db: Connection, written: DataSource) -> None:
    if written.is_default:
        others = (data_sources.c.org_id == written.org_id) & (data_sources.c.id != written.id)
        db.execute(update(data_sources).where(others).values(is_default=False))


def _columns(source: DataSource) -> dict[str, object]:
    """Column values of a data source: its fields have the columns' names."""
    return {
        column.name: getattr(source, column.name) for column in data_sources.columns if column.name != "id"
    }


def _seal_secrets(db: Connection, sealer: Sealer, source: DataSource) -> None:
    plain = {(SECURE_JSON_DATA, key): text for key, text in source.secrets.items()}
    plain |= {(PASSWORD, ""): source.password} if source.password else {}
    plain |= {(BASIC_AUTH_PASSWORD, ""): source.basic_auth_password} if source.basic_auth_password else {}
    rows = [
        {
            "data_source_id": source.id,
            "field": place,
            "key": key,
            "sealed": sealer.seal(text, purpose=_purpose(source.id, place, key)),
        }
        for (place, key), text in plain.items()
    ]
    if rows:
        db.execute(insert(sealed_secrets), rows)


def _open_secrets(db: Connection, sealer: Sealer) -> Mapping[int, Mapping[tuple[str, str], str]]:
    """Every secret of the database, by the id of its data source, then by field and key."""
    opened: dict[int, dict[tuple[str, str], str]] = defaultdict(dict)
    order = (sealed_secrets.c.data_source_id, sealed_secrets.c.field, sealed_secrets.c.key)
    for source_id, place, key, sealed in db.execute(select(*order, sealed_secrets.c.sealed).order_by(*order)):
        try:
            opened[source_id][place, key] = sealer.open(sealed, purpose=_purpose(source_id, place, key))
        except SealBroken as error:
            name = f"{place}.{key}" if key else place
            raise SettingsError(
                f"cannot open the secret {name} of data source {source_id}: {error}; "
                "restore the secret key file that belongs to this database"
            ) from error
    return opened


def _purpose(source_id: int, place: str, key: str) -> str:
    return f"data source {source_id} {place} {key}"


def _from_row(row: Row[Any], secrets: Mapping[tuple[str, str], str]) -> DataSource:
    return DataSource(
        **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        password=secrets.get((PASSWORD, ""), ""),
        basic_auth_password=secrets.get((BASIC_AUTH_PASSWORD, ""), ""),
        secrets=Secrets({key: text for (place, key), text in secrets.items() if place == SECURE_JSON_DATA}),
    )
