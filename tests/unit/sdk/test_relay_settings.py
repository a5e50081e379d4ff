"""Where a relay's settings come from: its file, then Grafana's variables, then its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftage.errors import SettingsError
from graftage.protocol.network_peer import NetworkPeer
from graftage.protocol.network_tls import TlsFiles
from graftage.sdk.relay import RelaySettings, read_relay_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text('to = "127.0.0.1:1"\n')
    return path


def test_the_file_alone_is_enough_and_its_paths_start_from_its_folder(file: Path) -> None:
    file.write_text(
        'to = "far.example:1"\ntls_cert = "c.pem"\ntls_key = "/k.pem"\ntls_ca = "a.pem"\n'
        'tls_server_name = "name.example"\nversions = [1]\n'
    )
    files = TlsFiles(file.parent / "c.pem", Path("/k.pem"), file.parent / "a.pem")
    assert read_relay_settings(file, {}) == RelaySettings(
        NetworkPeer("far.example:1", files, "name.example"), (1,)
    )


def test_variables_alone_are_enough(tmp_path: Path) -> None:
    variables = {"GF_PLUGIN_RELAY_TO": "far.example:1", "GF_PLUGIN_RELAY_TLS": "false"}
    settings = read_relay_settings(tmp_path / "missing.toml", variables)
    assert settings == RelaySettings(NetworkPeer("far.example:1", is_open=True), (1, 2))


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "127.0.0.1:1"),
        ({"GF_PLUGIN_RELAY_TO": "127.0.0.1:2"}, "127.0.0.1:2"),
        ({"GF_PLUGIN_RELAY_TO": "127.0.0.1:2", "GRAFTAGE_RELAY_TO": "127.0.0.1:3"}, "127.0.0.1:3"),
        ({"GRAFTAGE_RELAY_TO": ""}, "127.0.0.1:1"),
    ],
)
def test_later_places_win(file: Path, variables: dict[str, str], address: str) -> None:
    assert read_relay_settings(file, variables).peer.address == address


@pytest.mark.parametrize(
    ("text", "variables", "complaint"),
    [
        ("", {}, "it is not said where the plugin is"),
        ("to = 1", {}, "expected a text as to, got 1"),
        ("from = 'x'", {}, "from is no setting of a relay"),
        ("to = ", {}, "cannot be read"),
        ("", {"GRAFTAGE_RELAY_TO": "far.example:1"}, "is not on this machine"),
        ("", {"GRAFTAGE_RELAY_TO": "x"}, "has no port"),
        ("tls = 'no'", {"GRAFTAGE_RELAY_TO": "x:1"}, "expected tls to be true or false, got 'no'"),
        ("versions = [3]", {"GRAFTAGE_RELAY_TO": "[::1]:1"}, "expected versions of the protocol"),
        ("versions = []", {"GRAFTAGE_RELAY_TO": "[::1]:1"}, "expected versions of the protocol"),
    ],
)
def test_what_cannot_be_used_is_told(
    file: Path, text: str, variables: dict[str, str], complaint: str
) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=complaint.replace("[", r"\[")):
        read_relay_settings(file, variables)
