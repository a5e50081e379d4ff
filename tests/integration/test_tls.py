"""TLS with certificates of one run, between real processes of ours and of Go, of three eras."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from graftage.host.launch import StartFailed
from graftage.host.launch_options import SOCKET_DIR_BYTES
from graftage.host.link import open_link
from graftage.protocol.certificate import Identity, make_identity, to_pem
from graftage.protocol.handshake import MissingCertificate, UnexpectedCertificate, parse_handshake
from graftage.protocol.rpc import HEALTH_CHECK
from support.go import build
from support.nasty import plain_plugin
from support.plugin_process import PluginProcess, started

pytestmark = pytest.mark.timeout(300)  # the first run builds the Go programs

PLUGIN = """
from graftage import DataSource, serve

class Empty(DataSource):
    async def query(self, query):
        pass

serve(Empty)
"""
HOST = make_identity()


def asking(host: Identity = HOST) -> dict[str, str | None]:
    """The environment with which this host asks for TLS."""
    return {"PLUGIN_CLIENT_CERT": to_pem(host.certificate)}


async def health(plugin: PluginProcess, host: Identity) -> bytes:
    """Ask for the plugin's health as this host."""
    await plugin.handshake()
    handshake = parse_handshake(plugin.out[0], offered=[1, 2], tls=True)
    async with open_link(handshake, receive_bytes=-1, identity=host) as link:
        return await link.channel.unary_unary(HEALTH_CHECK)(b"", timeout=5)


def made_by_plugin(folder: Path, pattern: str) -> list[Path]:
    """Folders and sockets."""
    return [entry for entry in folder.glob(pattern) if not entry.is_file()]


async def test_the_plugin_prints_its_certificate_and_answers_its_host_alone(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path, environment=asking()) as plugin:
        fields = await plugin.handshake()
        assert len(fields) == 6
        assert 700 < len(fields[5]) < 1000
        assert "=" not in fields[5]
        assert await health(plugin, HOST) == b"\x08\x01"
        with pytest.raises(grpc.aio.AioRpcError):
            await health(plugin, make_identity())
        async with plugin.channel() as plain:
            with pytest.raises(grpc.aio.AioRpcError):
                await plain.unary_unary(HEALTH_CHECK)(b"", timeout=1)
        assert await health(plugin, HOST) == b"\x08\x01"


async def test_behind_tls_grpc_listens_where_nobody_else_can_enter(tmp_path: Path) -> None:
    async with started(PLUGIN, tmp_path, environment=asking()) as plugin:
        await plugin.handshake()
        (folder,) = made_by_plugin(tmp_path, "graftage-*")
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert len(os.listdir(folder)) == 1
        os.kill(plugin.pid, 15)
        await plugin.exit_status()
        assert made_by_plugin(tmp_path, "*") == []


async def test_a_group_is_given_the_advertised_socket_also_with_tls(tmp_path: Path) -> None:
    group = {"PLUGIN_UNIX_SOCKET_GROUP": str(os.stat(tmp_path).st_gid)}
    async with started(PLUGIN, tmp_path, environment=asking() | group) as plugin:
        address = (await plugin.handshake())[3]
        assert stat.S_IMODE(os.stat(address).st_mode) == 0o660


@pytest.mark.parametrize("text", ["hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_plugin_that_cannot_read_the_hosts_certificate_does_not_start(
    tmp_path: Path, text: str
) -> None:
    async with started(PLUGIN, tmp_path, environment={"PLUGIN_CLIENT_CERT": text}) as plugin:
        assert await plugin.exit_status() == 1
        assert plugin.out == []
        assert "PLUGIN_CLIENT_CERT asks for TLS, but holds no usable certificate" in plugin.messages()[-1]


@pytest.mark.parametrize("era", ["grafana6", "current"])
async def test_go_plugins_are_spoken_to(start: Any, era: str) -> None:
    async with start(build(era) / "plugin", auto_mtls=True) as running:
        await running.client.ping()


async def test_the_hosts_private_sockets_are_in_the_folder_of_that_one_process(
    start: Any, tmp_path: Path
) -> None:
    """So a host that is killed leaves none: the folder goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="graftage-", suffix="d" * (SOCKET_DIR_BYTES - 22), dir="/tmp"))
    async with start(build("current") / "plugin", auto_mtls=True, socket_dir=folder) as running:
        await running.client.ping()
        (own,) = made_by_plugin(folder, "*")
        names = sorted(path.name[:6] for path in made_by_plugin(own, "*"))
        assert names == ["plugin", "privat"]
        assert stat.S_IMODE(os.stat(own).st_mode) == 0o700
    assert made_by_plugin(folder, "*") == []
    os.rmdir(folder)


@pytest.mark.parametrize("multiplex", [False, True])
async def test_a_plugin_that_knows_nothing_of_tls_is_refused(
    start: Any, tmp_path: Path, multiplex: bool
) -> None:
    for executable in (build("old") / "plugin", plain_plugin(tmp_path)):
        began = asyncio.get_running_loop().time()
        with pytest.raises(StartFailed, match="this host asked for TLS, but the plugin sent no") as failed:
            async with start(executable, auto_mtls=True, multiplex=multiplex):
                pass
        assert isinstance(failed.value.__cause__, MissingCertificate)
        assert asyncio.get_running_loop().time() - began < 4


async def test_a_plugin_that_speaks_tls_unasked_is_refused(start: Any) -> None:
    with pytest.raises(StartFailed) as failed:
        async with start(
            build("current") / "plugin", environment={"PLUGIN_CLIENT_CERT": asking().popitem()[1]}
        ):
            pass
    assert isinstance(failed.value.__cause__, UnexpectedCertificate)
