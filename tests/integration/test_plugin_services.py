"""What a plugin's process offers its host: the handshake, and the plugin system's own services."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from graftage.protocol import rpc
from graftage.protocol.messages import Output, decode_output
from support.plugin_process import CALL_SECONDS, ask, shut_down, started
from support.wait import eventually_async

EMPTY_PLUGIN = """
from graftage import DataSource, serve

class Empty(DataSource):
    async def query(self, query):
        print("asked", query.ref_id)

serve(Empty)
"""

PRINTING_PLUGIN = """
import os, subprocess, sys
print("before the import")
from graftage import serve
print("before serve")
os.write(1, b"straight to the descriptor\\n")
subprocess.run([sys.executable, "-S", "-c", "print('from a child')"], check=True, env={})

def query(query):
    print("in a handler")

serve(query=query)
print("after serve")
sys.stdout.write("without an end")
"""

SERVICES_PLUGIN = """
import grpc
from graftage.sdk.serving import serve_services

async def slow(request, context):
    return request[::-1]

method = {"Query": grpc.unary_unary_rpc_method_handler(slow)}
versions = {n: [grpc.method_handlers_generic_handler(f"acme.V{n}", method)] for n in (2, 3)}
serve_services(versions)
"""


async def health(channel: grpc.aio.Channel, name: str) -> int:
    call = channel.unary_unary(
        rpc.HEALTH_CHECK,
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return (await call(health_pb2.HealthCheckRequest(service=name), timeout=CALL_SECONDS)).status


async def test_the_handshake_has_six_fields_and_the_socket_is_there(tmp_path: Path) -> None:
    async with started(EMPTY_PLUGIN, tmp_path) as plugin:
        core, version, network, address, protocol, certificate = await plugin.handshake()

        assert (core, version, network, protocol, certificate) == ("1", "1", "unix", "grpc", "")
        assert Path(address).parent == tmp_path
        assert stat.S_ISSOCK(os.stat(address).st_mode)


@pytest.mark.parametrize(
    ("asked", "told"), [("true", "true"), ("1", "true"), ("no", "false"), ("0", "false")]
)
async def test_a_host_that_asks_about_multiplexing_is_told_what_it_gets(
    tmp_path: Path, asked: str, told: str
) -> None:
    async with started(EMPTY_PLUGIN, tmp_path, environment={"PLUGIN_MULTIPLEX_GRPC": asked}) as plugin:
        assert (await plugin.handshake())[5:] == ["", told]


async def test_a_configured_directory_and_group_are_used_for_the_socket(tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir()
    group = str(folder.stat().st_gid)
    environment = {"PLUGIN_UNIX_SOCKET_DIR": str(folder), "PLUGIN_UNIX_SOCKET_GROUP": group}
    async with started(EMPTY_PLUGIN, tmp_path, environment=environment) as plugin:
        address = Path((await plugin.handshake())[3])

        assert address.parent == folder
        assert stat.S_IMODE(os.stat(address).st_mode) == 0o660


async def test_health_knows_the_plugin_and_nothing_else(tmp_path: Path) -> None:
    async with started(EMPTY_PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        assert await health(channel, "plugin") == health_pb2.HealthCheckResponse.SERVING
        assert await health(channel, "") == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await health(channel, "other")
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND

        listed = await channel.unary_unary(f"/{rpc.HEALTH}/List")(b"", timeout=CALL_SECONDS)
        assert set(health_pb2.HealthListResponse.FromString(listed).statuses) == {"", "plugin"}


async def test_a_watcher_of_health_is_told_of_the_end(tmp_path: Path) -> None:
    async with started(EMPTY_PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        watch = channel.unary_stream(
            f"/{rpc.HEALTH}/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        known = watch(health_pb2.HealthCheckRequest(service="plugin"))
        unknown = watch(health_pb2.HealthCheckRequest(service="other"))
        status = health_pb2.HealthCheckResponse
        assert (await known.read()).status == status.SERVING
        assert (await unknown.read()).status == status.SERVICE_UNKNOWN

        await shut_down(channel)

        assert (await known.read()).status == status.NOT_SERVING
        assert await known.read() is grpc.aio.EOF
        assert await unknown.read() is grpc.aio.EOF


async def test_a_new_broker_stream_may_follow_the_last(tmp_path: Path) -> None:
    async with started(EMPTY_PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        for _ in range(2):
            stream = channel.stream_stream(rpc.START_BROKER)()
            await stream.wait_for_connection()
            await stream.write(b"\x08\x01")
            await stream.done_writing()

            assert await stream.read() is grpc.aio.EOF
            assert await stream.code() is grpc.StatusCode.OK


async def test_reflection_lists_exactly_what_is_served_in_both_versions(tmp_path: Path) -> None:
    expected = {rpc.HEALTH, rpc.CONTROLLER, rpc.STDIO, rpc.BROKER, *rpc.REFLECTION, rpc.DATASOURCE_V1}
    async with started(EMPTY_PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        for service in rpc.REFLECTION:
            stream = channel.stream_stream(
                f"/{service}/ServerReflectionInfo",
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
            )()
            await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            listed = (await stream.read()).list_services_response.service
            assert {one.name for one in listed} == expected

            for name in expected:
                await stream.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
                files = (await stream.read()).file_descriptor_response.file_descriptor_proto
                described = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in files]
                assert any(name == f"{one.package}.{two.name}" for one in described for two in one.service)
            await stream.done_writing()


async def test_prints_never_reach_the_host_as_a_handshake_but_become_records(tmp_path: Path) -> None:
    unbuffered = {"PYTHONUNBUFFERED": None}  # with it, a print before the import would be out already
    async with started(PRINTING_PLUGIN, tmp_path, environment=unbuffered) as plugin:
        async with plugin.channel() as channel:
            stdio = channel.unary_stream(rpc.STREAM_STDIO)(b"")
            await ask(channel, {"A": "{}"})
            await shut_down(channel)
            streamed = b"".join([decode_output(message)[1] async for message in stdio])
        status = await plugin.exit_status()

    expected = [
        "before the import",
        "before serve",
        "straight to the descriptor",
        "from a child",
        "in a handler",
    ]
    printed = [record["@message"] for record in plugin.records() if record.get("@module") == "stdout"]
    assert status == 0
    assert len(plugin.out) == 1, "nothing follows the handshake"
    assert sorted(printed) == sorted([*expected, "after serve", "without an end"])
    assert {record["@level"] for record in plugin.records() if record.get("@module") == "stdout"} == {"info"}
    assert sorted(streamed.decode().splitlines()) == sorted(expected)


async def test_output_arrives_once_in_order_in_pieces_and_to_the_last_byte(tmp_path: Path) -> None:
    script = """
from graftage import serve
import sys

def query(query):
    sys.stdout.write("x" * 2500 + "\\n")

serve(query=query)
"""
    async with started(script, tmp_path) as plugin, plugin.channel() as channel:
        stdio = channel.unary_stream(rpc.STREAM_STDIO)(b"")
        await ask(channel, {"A": "{}"})
        await shut_down(channel)
        pieces = [decode_output(message) async for message in stdio]

        assert {channel for channel, _ in pieces} == {Output.STDOUT}
        assert all(0 < len(piece) <= 1024 for _, piece in pieces)
        assert b"".join(piece for _, piece in pieces) == b"x" * 2500 + b"\n"


async def test_a_flood_of_prints_that_nobody_fetches_blocks_nothing_and_is_warned_of_once(
    tmp_path: Path,
) -> None:
    script = """
from graftage import serve
import os

def query(query):
    for number in range(300):
        os.write(1, b"y" * 9_999 + b"\\n")

serve(query=query)
"""
    async with started(script, tmp_path) as plugin, plugin.channel() as channel:
        await ask(channel, {"A": "{}"})
        await shut_down(channel)

        assert await plugin.exit_status() == 0
        warnings = [record for record in plugin.records() if record["@level"] == "warn"]
        assert len(warnings) == 1
        assert "oldest bytes are dropped" in warnings[0]["@message"]
        assert plugin.messages().count("y" * 9_999) == 300


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("1,2", "2"), ("3,2,1", "3"), ("2", "2"), ("4", "2"), (None, "2"), ("", "2"), ("2, 3,x", "3")],
)
async def test_the_highest_version_that_both_know_is_served_else_the_lowest_own(
    tmp_path: Path, offered: str | None, chosen: str
) -> None:
    environment = {"PLUGIN_PROTOCOL_VERSIONS": offered}
    async with (
        started(SERVICES_PLUGIN, tmp_path, environment=environment) as plugin,
        plugin.channel() as channel,
    ):
        assert (await plugin.handshake())[1] == chosen

        call = channel.unary_unary(f"/acme.V{chosen}/Query")
        assert await call(b"abc", timeout=CALL_SECONDS) == b"cba"
        complaints = [text for text in plugin.messages() if "no numbers: x" in text]
        assert len(complaints) == (1 if offered and "x" in offered else 0)


async def test_a_request_larger_than_the_plugin_allows_fails_alone(tmp_path: Path) -> None:
    script = SERVICES_PLUGIN.replace("(versions)", "(versions, receive_bytes=1_000_000)")
    async with started(script, tmp_path) as plugin, plugin.channel() as channel:
        call = channel.unary_unary("/acme.V2/Query")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"x" * 1_100_000, timeout=CALL_SECONDS)

        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await call(b"ab", timeout=CALL_SECONDS) == b"ba"


async def test_a_request_of_many_megabytes_is_taken_by_default(tmp_path: Path) -> None:
    async with started(SERVICES_PLUGIN, tmp_path) as plugin, plugin.channel() as channel:
        call = channel.unary_unary("/acme.V2/Query")

        assert len(await call(b"x" * 20_000_000, timeout=CALL_SECONDS)) == 20_000_000


async def test_a_connection_is_possible_while_the_authors_module_is_still_loading(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text(
        "import os, time\n"
        "print('loading')\n"
        "while not os.path.exists(os.environ['GO_ON']): time.sleep(0.01)\n"
        "class Heavy:\n    def query(self, query): return None\n"
    )
    script = "from graftage import serve\nserve('heavy:Heavy')\n"
    environment = {"GO_ON": str(tmp_path / "go-on")}
    async with started(script, tmp_path, environment=environment) as plugin, plugin.channel() as channel:
        await asyncio.wait_for(channel.channel_ready(), CALL_SECONDS)
        asked = asyncio.ensure_future(ask(channel, {"A": "{}"}))
        await eventually_async(lambda: "loading" in plugin.messages(), what="the module being loaded")
        assert not asked.done()

        (tmp_path / "go-on").touch()

        assert set(await asked) == {"A"}
        assert len(plugin.out) == 1
