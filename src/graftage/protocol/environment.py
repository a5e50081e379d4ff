"""The environment variables through which a host speaks to the plugin it launches.

Source: hashicorp/go-plugin, client.go (`Start`) and server.go (`Serve`); the cookie is Grafana's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

COOKIE_KEY = "grafana_plugin_type"
COOKIE_VALUE = "datasource"

VERSIONS = "PLUGIN_PROTOCOL_VERSIONS"
MIN_PORT = "PLUGIN_MIN_PORT"
MAX_PORT = "PLUGIN_MAX_PORT"
CLIENT_CERT = "PLUGIN_CLIENT_CERT"
MULTIPLEX = "PLUGIN_MULTIPLEX_GRPC"
SOCKET_DIR = "PLUGIN_UNIX_SOCKET_DIR"
SOCKET_GROUP = "PLUGIN_UNIX_SOCKET_GROUP"

DEFAULT_PORTS = (10000, 25000)

# A host may itself be a plugin: what its own host told it is not meant for its children.
NOT_INHERITED = frozenset({CLIENT_CERT, MULTIPLEX, VERSIONS, MIN_PORT, MAX_PORT, COOKIE_KEY})


def plugin_environment(
    host: Mapping[str, str],
    plugin: Mapping[str, str],
    *,
    versions: Collection[int],
    inherit: bool = True,
    ports: tuple[int, int] = DEFAULT_PORTS,
    socket_dir: str | None = None,
    client_cert: str = "",
    multiplex: bool = False,
) -> dict[str, str]:
    """What a plugin's process gets to see; later wins: the host's own environment, then what the
    operator set for this plugin, then the protocol's variables.

    inherit: pass the host's own environment on (without what its own host told it). client_cert: the host's
    certificate in PEM, to ask for TLS. multiplex: ask for a single connection that carries all others.
    """
    inherited = {name: value for name, value in host.items() if name not in NOT_INHERITED} if inherit else {}
    protocol = {
        COOKIE_KEY: COOKIE_VALUE,
        MIN_PORT: str(ports[0]),
        MAX_PORT: str(ports[1]),
        VERSIONS: ",".join(str(version) for version in sorted(versions)),
    }
    if socket_dir is not None:
        protocol[SOCKET_DIR] = socket_dir
    if client_cert:
        protocol[CLIENT_CERT] = client_cert
    if multiplex:
        protocol[MULTIPLEX] = "true"
    return inherited | dict(plugin) | protocol
