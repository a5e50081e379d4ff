from __future__ import annotations

import os

import pytest

from graftage.backend.secrets import Secrets
from graftage.errors import SettingsError
from graftage.store.data_folder import open_store
from graftage.store.data_sources import DataSource


def opened(folder):
    return open_store(folder, database=folder / "graftage.db", key_file=folder / "secret.key")


def add_one(folder, **fields):
    with opened(folder) as store:
        return store.data_sources.add(DataSource("one", "t", "proxy", **fields))


def test_a_first_start_makes_the_folder_for_its_owner_alone(tmp_path):
    with opened(tmp_path / "a" / "data"):
        pass
    assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "a" / "data").iterdir()} == {
        "graftage.db",
        "secret.key",
        "graftage.db.lock",
    }


def test_what_was_added_is_there_after_a_restart(tmp_path):
    added = add_one(
        tmp_path,
        secrets=Secrets({"token": "t", "empty": ""}),
        password="p",
        basic_auth_password="b",
        json_data='{"a":1.10}',
    )
    with opened(tmp_path) as store:
        assert store.data_sources.all() == [added]


def test_nothing_secret_is_in_the_database_file(tmp_path):
    add_one(tmp_path, secrets=Secrets({"k": "s3cr3t-a"}), password="s3cr3t-b", basic_auth_password="s3cr3t-c")
    assert b"s3cr3t" not in (tmp_path / "graftage.db").read_bytes()


def test_a_second_server_in_the_same_folder_is_refused(tmp_path):
    expected = rf"in use by another server \(process {os.getpid()}\)"
    with opened(tmp_path), pytest.raises(SettingsError, match=expected):
        opened(tmp_path).__enter__()
    with opened(tmp_path):
        pass


def test_a_missing_key_is_not_replaced_while_it_is_needed(tmp_path):
    add_one(tmp_path, secrets=Secrets({"token": "t"}))
    (tmp_path / "secret.key").unlink()
    with pytest.raises(SettingsError, match=r"secret\.key is missing, and the database holds secrets"):
        opened(tmp_path).__enter__()
    assert not (tmp_path / "secret.key").exists()


def test_a_missing_key_is_replaced_when_nothing_is_sealed(tmp_path):
    add_one(tmp_path)
    (tmp_path / "secret.key").unlink()
    with opened(tmp_path) as store:
        assert len(store.data_sources.all()) == 1


def test_a_wrong_key_is_refused_at_the_start(tmp_path):
    add_one(tmp_path / "a", secrets=Secrets({"token": "t"}))
    add_one(tmp_path / "b", secrets=Secrets({"token": "t"}))
    (tmp_path / "a" / "secret.key").replace(tmp_path / "b" / "secret.key")
    expected = r"cannot open the secret secureJsonData\.token of data source 1: it was sealed with key"
    with pytest.raises(SettingsError, match=expected):
        opened(tmp_path / "b").__enter__()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot make the data folder .*Not a directory"):
        opened(tmp_path / "file" / "data").__enter__()


def test_two_folders_do_not_share_a_database(tmp_path):
    database = tmp_path / "shared.db"
    with open_store(tmp_path / "a", database=database, key_file=tmp_path / "key"):
        other = open_store(tmp_path / "b", database=database, key_file=tmp_path / "key")
        with pytest.raises(SettingsError, match=r"shared\.db is in use by another server"):
            other.__enter__()


def test_a_database_in_a_missing_folder_is_refused(tmp_path):
    database = tmp_path / "missing" / "db"
    with pytest.raises(SettingsError, match=r"cannot write beside the database .*No such file or directory"):
        open_store(tmp_path, database=database, key_file=tmp_path / "key").__enter__()
