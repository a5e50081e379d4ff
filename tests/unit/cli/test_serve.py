from __future__ import annotations

import argparse
import logging
import os
from dataclasses import fields
from pathlib import Path

import pytest

from graftage.cli.main import main
from graftage.cli.serve import FLAGS, add_parser, read_settings
from graftage.config import Settings


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GRAFTAGE_")]:
        monkeypatch.delenv(name)


def settings(*flags: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return read_settings(parser.parse_args(["serve", *flags]))


# Set once for an installation, in the file or in the environment of the service.
WITHOUT_FLAG = {
    "plugin",
    "stop_grace",
    "term_grace",
    "inherit_environment",
    "log_line_limit",
    "log_rate",
    "log_burst",
}
WITHOUT_DEFAULT = {"socket_dir": "$PLUGIN_UNIX_SOCKET_DIR", "plugin_output": "(none)"}


def test_every_setting_has_a_flag_unless_it_is_set_once_for_all():
    assert {field.name for field in fields(Settings)} - WITHOUT_FLAG == {"plugins", *FLAGS}


@pytest.mark.parametrize("key", FLAGS)
def test_the_help_of_a_flag_tells_its_default(key):
    default = getattr(Settings(), key)
    if default is None:
        assert WITHOUT_DEFAULT.get(key, "in the data folder") in FLAGS[key]
    else:
        assert f"({f'{default:g}' if isinstance(default, float) else default})" in FLAGS[key]


def test_flags_are_settings():
    made = settings("--address", "[::1]:0", "--query-timeout", "2", "--plugins", "a", "--plugins", "b")
    assert str(made.address) == "[::1]:0"
    assert made.query_timeout == 2.0
    assert made.plugins == (Path("a"), Path("b"))


def test_without_flags_the_defaults_hold():
    assert settings() == Settings()


def test_a_settings_file_named_by_a_flag_wins_over_one_in_the_environment(tmp_path, monkeypatch):
    (tmp_path / "one.toml").write_text("query_timeout = 1")
    (tmp_path / "two.toml").write_text("query_timeout = 2")
    monkeypatch.setenv("GRAFTAGE_CONFIG", str(tmp_path / "one.toml"))
    assert settings().query_timeout == 1.0
    assert settings("--config", str(tmp_path / "two.toml")).query_timeout == 2.0


@pytest.fixture
def refused(tmp_path, capsys):
    """Starts a server that cannot start; returns its complaint. What it did to logging is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def start(*flags: str) -> str:
        flags = ("--address", "127.0.0.1:0", "--data", str(tmp_path / "data"), *flags)
        assert main(["serve", *flags]) == 2
        out, err = capsys.readouterr()
        complaint = err.splitlines()[-1]
        assert (out, complaint.startswith("graftage: ")) == ("", True)
        assert "Traceback" not in err
        return complaint

    yield start
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_wrong_settings_file_is_told(refused, tmp_path):
    (tmp_path / "graftage.toml").write_text("\nadress = 'x'\n")
    complaint = refused("--config", str(tmp_path / "graftage.toml"))
    assert "graftage.toml:2: key 'adress' is no setting; did you mean 'address'?" in complaint


def test_a_host_that_is_not_here_is_told(refused):
    assert "cannot listen on 192.0.2.1:3000" in refused("--address", "192.0.2.1:3000")


def test_a_missing_plugin_folder_is_told(refused):
    assert "the plugin folder nowhere does not exist" in refused("--plugins", "nowhere")


def test_a_file_in_place_of_our_plugin_folder_is_told(refused, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "plugins").write_text("")
    assert "data/plugins does not exist; make it" in refused()


def test_a_data_folder_that_cannot_be_made_is_told(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot make the data folder" in refused("--data", str(tmp_path / "file" / "data"))


@pytest.mark.parametrize(
    ("flag", "key"), [("--socket-dir", "socket_dir"), ("--plugin-output", "plugin_output")]
)
def test_a_folder_for_plugins_that_cannot_be_made_is_told(refused, short_path, flag, key):
    (short_path / "file").write_text("")
    complaint = refused(flag, str(short_path / "file" / "x"))
    assert f"cannot make {short_path}/file/x, the folder of {key}: Not a directory" in complaint


def test_a_database_that_is_none_is_told(refused, tmp_path):
    (tmp_path / "letter").write_text("dear grandmother, " * 100)
    assert "file is not a database" in refused("--database", str(tmp_path / "letter"))


def test_a_key_that_is_none_is_told(refused, tmp_path):
    (tmp_path / "key").write_text("12345")
    assert "holds no key" in refused("--secret-key-file", str(tmp_path / "key"))
