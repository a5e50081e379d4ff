from __future__ import annotations

import argparse
import os
from dataclasses import fields
from pathlib import Path

import pytest

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


def test_every_setting_but_the_plugins_own_has_a_flag():
    assert {field.name for field in fields(Settings)} - {"plugin"} == {"plugins", *FLAGS}


@pytest.mark.parametrize("key", FLAGS)
def test_the_help_of_a_flag_tells_its_default(key):
    default = getattr(Settings(), key)
    if default is None:
        assert "in the data folder" in FLAGS[key]
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
