"""What the operator set reaches those whom it concerns."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftage.backend.secrets import Secrets
from graftage.config import PluginSettings, Settings
from graftage.host.discovery import InstalledPlugin
from graftage.host.launch_options import LaunchOptions, usual_socket_dir
from graftage.host.plugin_json import PluginJson, PluginType
from graftage.server.running import _host_options, _make_folders, _tell_what_was_found


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


def test_near_misses_in_the_tables_of_plugins_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def table(**values: str) -> PluginSettings:
        return PluginSettings(values=Secrets(values))

    settings = Settings(
        plugin={"acme-waves": table(adress="10.0.0.9:9000", url="x", limit="3"), "acme-wavs": table()}
    )
    found = InstalledPlugin(PluginJson(id="acme-waves", type=PluginType.DATASOURCE), Path("/p"))
    _tell_what_was_found(settings, [found])
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 2
    assert "acme-wavs, which was not found; did you mean acme-waves?" in told[1]
    assert "setting adress of plugin acme-waves" in told[0]
    assert told[0].endswith("did you mean address?")
    assert "10.0.0.9" not in "".join(told)


def test_only_the_owner_enters_the_folder_of_what_plugins_print(tmp_path: Path) -> None:
    settings = Settings(socket_dir=tmp_path / "run" / "sockets", plugin_output=tmp_path / "log" / "plugins")
    for _ in range(2):
        _make_folders(settings)
    assert (tmp_path / "run" / "sockets").is_dir()
    assert (tmp_path / "log" / "plugins").stat().st_mode & 0o777 == 0o700
