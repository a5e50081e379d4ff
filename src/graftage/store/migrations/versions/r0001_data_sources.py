"""Data sources and their sealed secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "data_sources",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("org_id", sa.Integer, nullable=False),
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("access", sa.String, nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("database", sa.String, nullable=False),
        sa.Column("basic_auth", sa.Boolean, nullable=False),
        sa.Column("basic_auth_user", sa.String, nullable=False),
        sa.Column("with_credentials", sa.Boolean, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("json_data", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("read_only", sa.Boolean, nullable=False),
        sa.UniqueConstraint("org_id", "name", name="uq_data_sources_name"),
        sa.UniqueConstraint("org_id", "uid", name="uq_data_sources_uid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "data_source_secrets",
        sa.Column(
            "data_source_id", sa.Integer, sa.ForeignKey("data_sources.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("data_source_id", "field", "key", name="pk_data_source_secrets"),
    )
