"""The SQLite database: how it is opened, and brought up to date.

One server process owns the file, which a lock beside it makes sure of: data sources are read from memory
(`data_source_cache.py`), and a second writer would not be seen there.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from graftage.errors import SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"

# A write waits this long for another one. The server's own writes take turns anyway; this is for a person
# who looks into the file, and for a backup.
BUSY_SECONDS = 5


def open_database(path: Path) -> Engine:
    """The database in this file, made when missing, with every migration applied.

    Raises SettingsError if the file cannot be used: no permission, no database, or one from a newer Graftage.
    """
    try:
        # SQLite gives the files beside it (-wal, -shm) the mode of the database itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise SettingsError(f"cannot open the database {path}: {error.strerror}") from error

    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as db:
            _migrate(db, path)
    except DatabaseError as error:
        engine.dispose()
        raise SettingsError(f"cannot use the database {path}: {error.orig}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def check_database(engine: Engine) -> None:
    """Read something, for the health check. Raises SQLAlchemy's DatabaseError if that is not possible."""
    with engine.connect().execution_options(graftage_reads_only=True) as db:
        db.execute(text("SELECT 1 FROM alembic_version"))


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # Transactions begin in `_begin`: left to itself, the driver begins them late and never around DDL.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # An answered write survives a power cut, not just a killed process. Writes are rare enough to pay for it.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def _begin(db: Connection) -> None:
    # Taking the write lock at once means waiting for it here, and not failing in the middle.
    reads_only = db.get_execution_options().get("graftage_reads_only", False)
    db.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _migrate(db: Connection, path: Path) -> None:
    config = Config()
    # `%` is special in Alembic's own option values.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = db
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(db).get_current_revision()
    if current is not None and current not in known:
        raise SettingsError(
            f"the database {path} was written by a newer Graftage: its schema is {current!r}, the newest "
            f"known here is {max(known)!r}; run that version, or name another data folder"
        )
    command.upgrade(config, "head")
