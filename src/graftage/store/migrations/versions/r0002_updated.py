"""When the settings of a data source were last changed: its plugin makes a new object of them then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    # A constant default, so that SQLite need not copy the table. Rows from before have no known time.
    op.add_column("data_sources", sa.Column("updated_ms", sa.BigInteger, nullable=False, server_default="0"))
