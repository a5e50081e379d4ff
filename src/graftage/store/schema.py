"""The tables as the newest migration leaves them. A test compares the two.

A table changes by a new file in ``migrations/versions``; this module then says the result, for statements.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

data_sources = Table(
    "data_sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("org_id", Integer, nullable=False),
    Column("uid", String, nullable=False),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("access", String, nullable=False),
    Column("url", String, nullable=False),
    Column("user", String, nullable=False),
    Column("database", String, nullable=False),
    Column("basic_auth", Boolean, nullable=False),
    Column("basic_auth_user", String, nullable=False),
    Column("with_credentials", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    # Text and not a JSON type: number literals such as 1.10 have to come back as they were sent.
    Column("json_data", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("read_only", Boolean, nullable=False),
    # Milliseconds since 1970.
    Column("updated_ms", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("org_id", "name", name="uq_data_sources_name"),
    UniqueConstraint("org_id", "uid", name="uq_data_sources_uid"),
    # An id that was deleted never comes back: somebody may still ask for it.
    sqlite_autoincrement=True,
)

# One row per sealed value, so that every secret of the database is found, and sealed anew, in one place.
sealed_secrets = Table(
    "data_source_secrets",
    metadata,
    Column("data_source_id", Integer, ForeignKey("data_sources.id", ondelete="CASCADE"), nullable=False),
    # `secureJsonData`, or the field that is one secret itself: `password`, `basicAuthPassword`.
    Column("field", String, nullable=False),
    # The key in `secureJsonData`; empty for the others.
    Column("key", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("data_source_id", "field", "key", name="pk_data_source_secrets"),
)
