"""What the operator set reaches those whom it concerns."""

from __future__ import annotations

from pathlib import Path

from graftage.config import PluginSettings, Settings
from graftage.host.launch_options import LaunchOptions, usual_socket_dir
from graftage.server.running import _host_options, _make_folders


def test_settings_of_processes_reach_the_launch_of_every_plugin() -> None:
    options = _host_options(
        Settings(
            start_timeout=1.0,
            stop_grace=2.5,
            term_grace=3.0,
            socket_dir=Path("/run/g"),
            inherit_environment=False,
            log_line_limit=5000,
            log_rate=6.0,
            log_burst=7.0,
            plugin_output=Path("/var/log/g"),
            plugin={"clock": PluginSettings(values={"zone": "UTC"})},
        )
    )
    assert options.launch == LaunchOptions(
        start_timeout=1.0,
        stop_grace=2.5,
        term_grace=3.0,
        socket_dir=Path("/run/g"),
        inherit_environment=False,
        log_line_limit=5000,
        log_rate=6.0,
        log_burst=7.0,
    )
    assert options.output_folder == Path("/var/log/g")
    assert options.plugin_settings == {"clock": {"zone": "UTC"}}


def test_the_defaults_of_settings_are_those_of_a_launch() -> None:
    assert _host_options(Settings()).launch == LaunchOptions(socket_dir=usual_socket_dir())


def test_only_the_owner_enters_the_folder_of_what_plugins_print(tmp_path: Path) -> None:
    settings = Settings(socket_dir=tmp_path / "run" / "sockets", plugin_output=tmp_path / "log" / "plugins")
    for _ in range(2):
        _make_folders(settings)
    assert (tmp_path / "run" / "sockets").is_dir()
    assert (tmp_path / "log" / "plugins").stat().st_mode & 0o777 == 0o700
