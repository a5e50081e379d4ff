"""What one server keeps: its database, its key, and the lock that makes it the only one with both."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from graftage.errors import SettingsError
from graftage.store.data_source_cache import DataSources
from graftage.store.data_sources import has_secrets
from graftage.store.database import open_database
from graftage.store.sealing import Sealer, make_key, read_key


@dataclass(frozen=True, slots=True)
class Store:
    """What a running server keeps. database: for the health check; everything else asks `data_sources`."""

    database: Engine
    data_sources: DataSources


@contextmanager
def open_store(folder: Path, *, database: Path, key_file: Path) -> Iterator[Store]:
    """Open what is kept, in this folder unless said otherwise; it is made when missing. The block closes it.

    Raises SettingsError if anything there cannot be used: no permission, another server, a wrong key.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make the data folder {folder}: {error.strerror}") from error
    with _only_server(database):
        engine = open_database(database)
        try:
            yield Store(engine, DataSources(engine, _sealer(engine, key_file)))
        finally:
            engine.dispose()


@contextmanager
def _only_server(database: Path) -> Iterator[None]:
    """Hold the database's lock. The kernel lets go of it when the process ends, however it ends."""
    try:
        descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(f"cannot write beside the database {database}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 20).decode(errors="replace").strip()
            raise SettingsError(
                f"the database {database} is in use by another server (process {owner or 'unknown'}); "
                "stop that one, or name another folder with --data"
            ) from error
        os.truncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        yield
    finally:
        os.close(descriptor)


def _sealer(engine: Engine, key_file: Path) -> Sealer:
    sealer = read_key(key_file)
    if sealer is not None:
        return sealer
    with engine.begin() as db:
        if has_secrets(db):
            raise SettingsError(
                f"the secret key file {key_file} is missing, and the database holds secrets sealed with it; "
                "restore the file from a backup"
            )
    return make_key(key_file)
