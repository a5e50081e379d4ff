from __future__ import annotations

import base64
import logging

import pytest

from graftage.errors import SettingsError
from graftage.store.sealing import SealBroken, Sealer, make_key, read_key

KEY = bytes(range(32))


def test_what_was_sealed_opens_again():
    sealed = Sealer(KEY).seal("Geheimnis ✓", purpose="p")
    assert Sealer(KEY).open(sealed, purpose="p") == "Geheimnis ✓"


def test_an_empty_secret_is_a_secret_too():
    assert Sealer(KEY).open(Sealer(KEY).seal("", purpose="p"), purpose="p") == ""


def test_sealing_twice_gives_different_bytes_that_hide_the_text():
    first, second = (Sealer(KEY).seal("secret", purpose="p") for _ in range(2))
    assert first != second
    assert b"secret" not in first


def test_a_sealed_value_serves_one_purpose_only():
    sealed = Sealer(KEY).seal("secret", purpose="data source 1")
    with pytest.raises(SealBroken, match="copied here from another place"):
        Sealer(KEY).open(sealed, purpose="data source 2")


def test_another_key_is_recognised_as_such():
    sealed = Sealer(KEY).seal("secret", purpose="p")
    with pytest.raises(SealBroken, match=r"it was sealed with key [0-9a-f]{8}, this is key [0-9a-f]{8}"):
        Sealer(bytes(32)).open(sealed, purpose="p")


@pytest.mark.parametrize("place", [5, 17, -1])
def test_every_damage_is_noticed(place):
    sealed = bytearray(Sealer(KEY).seal("secret", purpose="p"))
    sealed[place] ^= 1
    with pytest.raises(SealBroken, match="damaged"):
        Sealer(KEY).open(bytes(sealed), purpose="p")


@pytest.mark.parametrize("length", [0, 1, 5, 17, 20])
def test_a_value_cut_short_is_broken(length):
    with pytest.raises(SealBroken):
        Sealer(KEY).open(Sealer(KEY).seal("secret", purpose="p")[:length], purpose="p")


def test_a_value_of_a_later_version_is_not_guessed_at():
    with pytest.raises(SealBroken, match="another version"):
        Sealer(KEY).open(b"\x02" + Sealer(KEY).seal("secret", purpose="p")[1:], purpose="p")


def test_a_sealer_does_not_show_its_key():
    assert base64.b64encode(KEY).decode() not in repr(Sealer(KEY))
    assert KEY.hex() not in repr(Sealer(KEY))


def test_a_new_key_is_in_a_file_of_its_owner_alone(tmp_path):
    sealed = make_key(tmp_path / "secret.key").seal("secret", purpose="p")
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    again = read_key(tmp_path / "secret.key")
    assert again is not None
    assert again.open(sealed, purpose="p") == "secret"


def test_a_key_file_is_never_overwritten(tmp_path):
    (tmp_path / "secret.key").write_text("precious")
    with pytest.raises(SettingsError, match=r"cannot write the secret key file"):
        make_key(tmp_path / "secret.key")
    assert (tmp_path / "secret.key").read_text() == "precious"


def test_no_key_file_is_no_key(tmp_path):
    assert read_key(tmp_path / "secret.key") is None


@pytest.mark.parametrize("content", ["", "no base64!", base64.b64encode(b"short").decode()])
def test_a_file_without_a_key_is_refused(tmp_path, content):
    (tmp_path / "secret.key").write_text(content)
    with pytest.raises(SettingsError, match="holds no key: expected base64 of 32 bytes"):
        read_key(tmp_path / "secret.key")


def test_a_key_file_that_others_can_read_is_told(tmp_path, caplog):
    make_key(tmp_path / "secret.key")
    (tmp_path / "secret.key").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        read_key(tmp_path / "secret.key")
    assert "can be read by others" in caplog.text
