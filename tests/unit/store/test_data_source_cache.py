from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest
from sqlalchemy import event

from graftage.backend.secrets import Secrets
from graftage.errors import Conflict, NotFound
from graftage.store.data_folder import open_store
from graftage.store.data_source_cache import DataSources
from graftage.store.data_sources import DataSource
from graftage.store.sealing import Sealer


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path, database=tmp_path / "db", key_file=tmp_path / "key") as store:
        yield store


@pytest.fixture
def sources(store):
    return store.data_sources


def new(name: str, **fields: object) -> DataSource:
    return DataSource(name, "probe-datasource", "proxy", **fields)


def test_an_added_source_has_id_version_and_a_random_uid(sources):
    first, second = sources.add(new("a")), sources.add(new("b"))
    assert (first.id, second.id) == (1, 2)
    assert (first.version, second.version) == (1, 1)
    assert re.fullmatch("[A-Za-z0-9_-]{9}", first.uid)
    assert first.uid != second.uid


def test_a_given_uid_is_kept_however_odd(sources):
    assert sources.add(new("a", uid="ü / 40 characters and more, or spaces")).uid.startswith("ü /")


def test_it_is_found_by_id_uid_and_name(sources):
    added = sources.add(new("Näme", uid="u"))
    assert sources.by_id(1) == sources.by_uid("u") == sources.by_name("Näme") == sources.find(1) == added


@pytest.mark.parametrize("look", ["by_id", "by_uid", "by_name"])
def test_what_is_not_there_is_not_found(sources, look):
    sources.add(new("a"))
    with pytest.raises(NotFound, match=r"^Data source not found$"):
        getattr(sources, look)(2 if look == "by_id" else "A")
    assert sources.find(2) is None


def test_another_organisation_sees_nothing(sources):
    sources.add(new("a", uid="u"))
    assert sources.all(org_id=2) == []
    assert sources.find(1, org_id=2) is None
    sources.add(new("a", uid="u", org_id=2))
    assert [source.id for source in sources.all()] == [1]


def test_names_and_uids_are_taken_once(sources):
    sources.add(new("a", uid="u"))
    with pytest.raises(Conflict, match=r"^data source with the same name already exists$"):
        sources.add(new("a", uid="v"))
    with pytest.raises(Conflict, match=r"^data source with the same uid already exists$"):
        sources.add(new("b", uid="u"))
    sources.add(new("A"))


def test_the_list_is_ordered_by_lower_cased_name_bytewise(sources):
    for name in ("b", "Ab", "aa", "é", "_", "Z"):
        sources.add(new(name))
    assert [source.name for source in sources.all()] == ["_", "aa", "Ab", "b", "Z", "é"]


def test_a_deleted_id_never_comes_back(sources):
    sources.add(new("a"))
    sources.remove(1)
    assert sources.find(1) is None
    assert sources.add(new("a")).id == 2
    with pytest.raises(NotFound):
        sources.remove(1)


def test_only_one_is_the_default(sources):
    for name in ("a", "b", "c"):
        sources.add(new(name, is_default=name != "c"))
    sources.add(new("x", is_default=True, org_id=2))
    assert [source.name for source in sources.all() if source.is_default] == ["b"]
    sources.update(1, lambda stored: replace(stored, is_default=True))
    assert [source.name for source in sources.all() if source.is_default] == ["a"]


def test_secrets_are_replaced_by_an_update(sources):
    sources.add(new("a", secrets=Secrets({"one": "1", "two": "2"}), password="p"))
    sources.update(1, lambda stored: replace(stored, secrets=Secrets({"two": "x", "three": ""}), password=""))
    assert dict(sources.by_id(1).secrets) == {"two": "x", "three": ""}
    assert sources.by_id(1).password == ""


def test_a_failed_write_changes_nothing(sources):
    sources.add(new("a"))
    sources.add(new("b"))
    with pytest.raises(Conflict):
        sources.update(2, lambda stored: replace(stored, name="a", is_default=True))
    assert [(source.name, source.is_default) for source in sources.all()] == [("a", False), ("b", False)]


def test_a_plugin_gets_to_see_the_settings_of_its_protocol(sources):
    sources.add(
        new("a", uid="u", url="http://h", json_data='{"a":1.0}', secrets=Secrets({"k": "v"}), password="p")
    )
    settings = sources.by_id(1).settings()
    assert (settings.id, settings.org_id, settings.name, settings.type) == (1, 1, "a", "probe-datasource")
    assert (settings.url, settings.json, settings.uid) == ("http://h", '{"a":1.0}', "u")
    assert dict(settings.secrets) == {"k": "v"}


def test_every_change_has_a_time_of_its_own_also_within_one_millisecond(store):
    sources = DataSources(store.database, Sealer(bytes(32)), clock=lambda: 1700000000.25)
    added = sources.add(new("a"))
    first = sources.update(added.id, lambda source: replace(source, url="http://b"))
    second = sources.update(added.id, lambda source: replace(source, url="http://c"))

    assert [added.updated_ms, first.updated_ms, second.updated_ms] == [
        1700000000250, 1700000000251, 1700000000252,
    ]  # fmt: skip
    assert sources.by_id(added.id).settings().updated_ms == second.updated_ms


def test_secrets_do_not_show_in_a_repr(sources):
    added = sources.add(
        new("a", secrets=Secrets({"k": "s3cr3t"}), password="s3cr3t", basic_auth_password="s3cr3t")
    )
    assert "s3cr3t" not in repr(added)


def test_reading_does_not_touch_the_database(store):
    store.data_sources.add(new("a", uid="u"))
    statements: list[str] = []
    event.listen(store.database, "before_cursor_execute", lambda *call: statements.append(call[2]))
    store.data_sources.find(1)
    store.data_sources.by_uid("u")
    store.data_sources.all()
    assert statements == []


def test_writes_of_many_threads_take_turns(sources):
    sources.add(new("count"))
    sources.update(1, lambda stored: replace(stored, json_data="0"))

    def count_up() -> None:
        for _ in range(10):
            sources.update(1, lambda stored: replace(stored, json_data=str(int(stored.json_data) + 1)))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sources.by_id(1).json_data == "40"
