"""What a plugin's process finds in its environment."""

from __future__ import annotations

from graftage.protocol.environment import NOT_INHERITED, plugin_environment

HOST = {"PATH": "/bin", "COLOUR": "of the host", "PLUGIN_UNIX_SOCKET_DIR": "/run/sockets"}
PROTOCOL = {
    "grafana_plugin_type": "datasource",
    "PLUGIN_MIN_PORT": "10000",
    "PLUGIN_MAX_PORT": "25000",
    "PLUGIN_PROTOCOL_VERSIONS": "1",
}


def test_the_protocols_variables_come_to_the_hosts_own() -> None:
    assert plugin_environment(HOST, {}, versions=[1]) == HOST | PROTOCOL


def test_the_operators_variables_win_over_the_hosts_but_not_over_the_protocols() -> None:
    own = {"COLOUR": "of the plugin", "PLUGIN_MIN_PORT": "1", "grafana_plugin_type": "renderer"}
    environment = plugin_environment(HOST, own, versions=[1])
    assert environment == HOST | PROTOCOL | {"COLOUR": "of the plugin"}


def test_a_host_that_is_a_plugin_keeps_what_its_own_host_told_it() -> None:
    inherited = dict.fromkeys(NOT_INHERITED, "of the host's host")
    assert plugin_environment(HOST | inherited, {}, versions=[1]) == HOST | PROTOCOL


def test_nothing_is_inherited_when_switched_off() -> None:
    assert plugin_environment(HOST, {"A": "b"}, versions=[1], inherit=False) == PROTOCOL | {"A": "b"}


def test_all_versions_are_offered_without_spaces() -> None:
    assert plugin_environment({}, {}, versions={2, 1, 10})["PLUGIN_PROTOCOL_VERSIONS"] == "1,2,10"


def test_tls_and_multiplexing_are_asked_for_only_when_wanted() -> None:
    environment = plugin_environment({}, {}, versions=[1], client_cert="-----BEGIN", multiplex=True)
    assert environment["PLUGIN_CLIENT_CERT"] == "-----BEGIN"
    assert environment["PLUGIN_MULTIPLEX_GRPC"] == "true"
    assert NOT_INHERITED & plugin_environment({}, {}, versions=[1]).keys() == NOT_INHERITED - {
        "PLUGIN_CLIENT_CERT",
        "PLUGIN_MULTIPLEX_GRPC",
    }


def test_a_socket_folder_and_other_ports_are_told() -> None:
    environment = plugin_environment(HOST, {}, versions=[1], ports=(5, 6), socket_dir="/run/mine")
    assert environment["PLUGIN_UNIX_SOCKET_DIR"] == "/run/mine"
    assert (environment["PLUGIN_MIN_PORT"], environment["PLUGIN_MAX_PORT"]) == ("5", "6")
