from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from graftage.errors import SettingsError
from graftage.store.database import check_database, open_database
from graftage.store.schema import metadata

# What the first release left behind, with one data source in it.
FIRST_SCHEMA = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE data_sources (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, org_id INTEGER NOT NULL, uid VARCHAR NOT NULL,
    name VARCHAR NOT NULL, type VARCHAR NOT NULL, access VARCHAR NOT NULL, url VARCHAR NOT NULL,
    user VARCHAR NOT NULL, "database" VARCHAR NOT NULL, basic_auth BOOLEAN NOT NULL,
    basic_auth_user VARCHAR NOT NULL, with_credentials BOOLEAN NOT NULL, is_default BOOLEAN NOT NULL,
    json_data TEXT NOT NULL, version INTEGER NOT NULL, read_only BOOLEAN NOT NULL,
    CONSTRAINT uq_data_sources_name UNIQUE (org_id, name), CONSTRAINT uq_data_sources_uid UNIQUE (org_id, uid)
);
CREATE TABLE data_source_secrets (
    data_source_id INTEGER NOT NULL, field VARCHAR NOT NULL, "key" VARCHAR NOT NULL, sealed BLOB NOT NULL,
    FOREIGN KEY(data_source_id) REFERENCES data_sources (id) ON DELETE CASCADE,
    CONSTRAINT pk_data_source_secrets PRIMARY KEY (data_source_id, field, "key")
);
INSERT INTO data_sources VALUES
    (1, 1, 'u', 'old', 'probe-datasource', 'proxy', '', '', '', 0, '', 0, 0, '{"a":1.0}', 3, 0);
"""


def test_the_tables_are_those_that_the_migrations_make(tmp_path):
    engine = open_database(tmp_path / "db")
    with engine.connect() as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []
    engine.dispose()


def test_a_database_of_the_first_schema_keeps_its_rows(tmp_path):
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        db.executescript(FIRST_SCHEMA)

    engine = open_database(tmp_path / "db")

    with engine.connect() as db:
        row = db.execute(text("SELECT name, uid, json_data, updated_ms FROM data_sources")).one()
        assert compare_metadata(MigrationContext.configure(db), metadata) == []
    engine.dispose()
    assert tuple(row) == ("old", "u", '{"a":1.0}', 0)


def test_ids_are_never_used_again(tmp_path):
    engine = open_database(tmp_path / "db")
    with engine.connect() as db:
        made = db.execute(text("SELECT sql FROM sqlite_master WHERE name = 'data_sources'")).scalar_one()
    engine.dispose()
    assert "AUTOINCREMENT" in made


def test_opening_again_keeps_what_is_there(tmp_path):
    for _ in range(2):
        engine = open_database(tmp_path / "db")
        with engine.begin() as db:
            db.execute(text("CREATE TABLE IF NOT EXISTS kept (a)"))
            db.execute(text("INSERT INTO kept VALUES (1)"))
        engine.dispose()
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (2,)


def test_every_connection_is_durable_and_keeps_references(tmp_path):
    engine = open_database(tmp_path / "db")
    with engine.connect() as db:
        pragmas = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_only_its_owner_can_read_the_database(tmp_path):
    engine = open_database(tmp_path / "db")
    with engine.begin() as db:
        db.execute(text("CREATE TABLE t (a)"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    engine.dispose()
    assert modes == {"db": 0o600, "db-wal": 0o600, "db-shm": 0o600}


def test_a_folder_with_a_percent_sign_is_a_folder(tmp_path):
    (tmp_path / "50%(here)s").mkdir()
    open_database(tmp_path / "50%(here)s" / "db").dispose()


def test_a_database_from_a_newer_version_is_refused_and_left_alone(tmp_path):
    open_database(tmp_path / "db").dispose()
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    with pytest.raises(SettingsError, match=r"was written by a newer Graftage: its schema is '9999'"):
        open_database(tmp_path / "db")
    with closing(sqlite3.connect(tmp_path / "db")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "db").write_text("a letter to grandmother, long enough to be read as a header" * 20)
    with pytest.raises(SettingsError, match=r"cannot use the database .*file is not a database"):
        open_database(tmp_path / "db")


def test_a_file_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot open the database .*No such file or directory"):
        open_database(tmp_path / "missing" / "db")


def test_the_health_check_notices_a_database_that_is_broken(tmp_path):
    engine = open_database(tmp_path / "db")
    check_database(engine)
    with engine.begin() as db:
        db.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(DatabaseError):
        check_database(engine)
    engine.dispose()


def test_the_health_check_does_not_wait_for_a_write(tmp_path):
    engine = open_database(tmp_path / "db")
    with engine.begin() as db:
        db.execute(text("CREATE TABLE t (a)"))
        check_database(engine)
    engine.dispose()
