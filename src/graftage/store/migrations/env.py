"""Alembic runs this file for every upgrade. The open connection comes from `store/database.py`."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
