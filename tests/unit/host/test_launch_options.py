"""Limits check themselves when they are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftage.errors import SettingsError
from graftage.host.launch_options import LaunchOptions, usual_socket_dir


def test_a_folder_too_deep_for_sockets_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"/x{100}, is longer than the (67|71) bytes that leave room"):
        LaunchOptions(socket_dir=Path("/" + "x" * 100))


def test_a_folder_of_usual_depth_is_taken() -> None:
    assert LaunchOptions(socket_dir=Path("/var/lib/graftage/sockets")).socket_dir is not None


@pytest.mark.parametrize("ports", [(0, 10), (10, 9), (1, 65536)])
def test_ports_that_nobody_can_listen_on_are_refused(ports: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match=f"from {ports[0]} to {ports[1]}"):
        LaunchOptions(ports=ports)


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
