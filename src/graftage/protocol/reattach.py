"""What a host needs to know of a plugin that is running already, and the JSON in which products hand it on.

    {"Protocol":"grpc","ProtocolVersion":2,"Pid":1234,"Test":true,
     "Addr":{"Network":"unix","String":"/tmp/plugin123"}}

Source: hashicorp/go-plugin, client.go (`ReattachConfig`), and the form of Terraform's reattach variable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from graftage.errors import SettingsError
from graftage.protocol.handshake import PROTOCOL, address_problem

LARGEST_PID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ReattachData:
    """version: of the application protocol. network, address: as in a handshake. pid: 0 when unknown.

    test: the plugin belongs to a test suite or a debugger; whoever attaches to it never ends it.
    """

    version: int
    network: str
    address: str
    pid: int = 0
    test: bool = False


def write_reattach(data: ReattachData) -> str:
    """The JSON form."""
    return json.dumps(
        {
            "Protocol": PROTOCOL,
            "ProtocolVersion": data.version,
            "Pid": data.pid,
            "Test": data.test,
            "Addr": {"Network": data.network, "String": data.address},
        },
        separators=(",", ":"),
    )


def read_reattach(text: str) -> ReattachData:
    """Read the JSON form. Raises SettingsError saying what was expected where."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"expected reattach data as JSON, got {text[:80]!r}: {error}") from error
    if not isinstance(value, Mapping):
        raise SettingsError(f"expected reattach data as a JSON object, got {text[:80]!r}")
    address = value.get("Addr")
    if not isinstance(address, Mapping):
        raise SettingsError('reattach data has no "Addr"; expected {"Network": …, "String": …}')
    # Go leaves the protocol empty for net/rpc, the one that came before gRPC.
    if (protocol := value.get("Protocol", "")) != PROTOCOL:
        raise SettingsError(f'reattach data has "Protocol": {protocol!r}; this host speaks "grpc" only')
    data = ReattachData(
        version=_number(value, "ProtocolVersion", 1, 2),
        network=str(address.get("Network", "")),
        address=str(address.get("String", "")),
        pid=_number(value, "Pid", 0, LARGEST_PID),
        test=value.get("Test", False) is True,
    )
    if problem := address_problem(data.network, data.address):
        raise SettingsError(f'reattach data has an "Addr" that cannot be used: {problem}')
    return data


def _number(value: Mapping[str, object], name: str, least: int, most: int) -> int:
    number = value.get(name, 0)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise SettingsError(
            f'reattach data has "{name}": {number!r}; expected a whole number from {least} to {most}'
        )
    return number
