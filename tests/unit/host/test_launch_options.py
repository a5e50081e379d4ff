"""Limits check themselves when they are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftage.errors import SettingsError
from graftage.host.launch_options import LaunchOptions, usual_socket_dir


def test_a_folder_too_deep_for_sockets_is_refused_with_its_length() -> None:
    with pytest.raises(SettingsError, match=r"would have paths of 13\d bytes, the system allows 10\d"):
        LaunchOptions(socket_dir=Path("/" + "x" * 100))


def test_a_folder_of_usual_depth_is_taken() -> None:
    assert LaunchOptions(socket_dir=Path("/var/lib/graftage/sockets")).socket_dir is not None


def test_the_environment_may_hold_secrets_and_is_not_shown() -> None:
    assert "s3cret" not in repr(LaunchOptions(environment={"PASSWORD": "s3cret"}))


def test_sockets_usually_go_below_the_operator_s_folder_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_DIR", "/run/graftage")
    assert usual_socket_dir() == Path("/run/graftage")


def test_a_folder_with_too_long_a_path_leaves_the_choice_to_the_plugin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_DIR", "/" + "x" * 100)
    assert usual_socket_dir() is None
